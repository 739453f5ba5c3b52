// Certificates as files that others replace (cert-manager, the lab, a mounted secret): read again when they changed, so
// that a rotation needs no restart.
import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";

export type TlsFiles = {
  readonly certFile: string;
  readonly keyFile: string;
  /** Authorities of the other side's certificates. Several files are all trusted. */
  readonly caFile: string | readonly string[];
  /** "TLSv1.3" unless given: 1.2 is for clients that have nothing newer. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3";
};

/** PEM. */
export type TlsMaterial = {
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly ca: Buffer[];
};

export type TlsFileNames = Pick<TlsFiles, "caFile"> &
  Partial<Pick<TlsFiles, "certFile" | "keyFile">>;

/** What is in the files now. @throws Error of the file system */
export function readTlsFiles({ certFile, keyFile, caFile }: TlsFileNames): TlsMaterial {
  return {
    ...(certFile === undefined ? {} : { cert: readFileSync(certFile) }),
    ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
    ca: [caFile].flat().map((file) => readFileSync(file)),
  };
}

/** Files that are looked at again and again. */
export class WatchedTlsFiles {
  readonly #files: TlsFileNames;
  #seen: string;
  #material: TlsMaterial;

  /** @throws Error of the file system, or for files that make no certificate */
  constructor(files: TlsFileNames) {
    this.#files = files;
    this.#seen = fingerprint(files);
    this.#material = readTlsFiles(files);
    check(this.#material);
  }

  get material(): TlsMaterial {
    return this.#material;
  }

  /**
   * New material if the files changed and belong together, else undefined: in the midst of a rotation a key may not
   * fit its certificate yet, and what there was goes on to be used. Looks at the files alone unless they changed.
   * @throws Error of the file system, or for files that make no certificate
   */
  changed(): TlsMaterial | undefined {
    const now = fingerprint(this.#files);
    if (now === this.#seen) return undefined;
    const material = readTlsFiles(this.#files);
    check(material);
    this.#seen = now;
    this.#material = material;
    return material;
  }
}

function check({ cert, key, ca }: TlsMaterial): void {
  createSecureContext({ ...(cert && { cert }), ...(key && { key }), ca: [...ca] });
}

function fingerprint({ certFile, keyFile, caFile }: TlsFileNames): string {
  const files = [certFile, keyFile, ...[caFile].flat()].filter((file) => file !== undefined);
  return files
    .map((file) => statSync(file, { bigint: true }))
    .map(({ dev, ino, mtimeNs, size }) => `${dev}:${ino}:${mtimeNs}:${size}`)
    .join(" ");
}
