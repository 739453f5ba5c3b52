// The one image of the tests, as an OCI image layout in a tar: Debian's static busybox with its commands, and the lab's
// echo server. Made here, so that nothing is ever pulled. It serves as the sandbox's image too: its command sleeps.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { tar, type TarEntry } from "./tar.ts";

/** The fully qualified name, as containerd would make it of a shorter one. */
export const imageName = "tsilium.test/peer:1";

export type ImagePrograms = {
  /** A static busybox. */
  readonly busybox: string;
  /** dist/bin/echo, static too. It is /bin/echo-server in the image. */
  readonly echo: string;
};

const media = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
} as const;

/** OCI image specification 1.0: layout, index, manifest, configuration and one layer. */
export function ociImage(programs: ImagePrograms): Buffer {
  const layer = tar(rootFileSystem(programs));
  const config = json({
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: { Entrypoint: ["/bin/sleep", "1000000"], Env: ["PATH=/bin"] },
    rootfs: { type: "layers", diff_ids: [digest(layer)] },
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: media.manifest,
    config: descriptor(media.config, config),
    layers: [descriptor(media.layer, layer)],
  });
  const annotations = { "io.containerd.image.name": imageName };
  const index = json({
    schemaVersion: 2,
    mediaType: media.index,
    manifests: [{ ...descriptor(media.manifest, manifest), annotations }],
  });
  const blobs = [layer, config, manifest].map((bytes): TarEntry => ({
    kind: "file",
    path: `blobs/sha256/${digest(bytes).replace("sha256:", "")}`,
    bytes,
  }));
  return tar([
    { kind: "file", path: "oci-layout", bytes: json({ imageLayoutVersion: "1.0.0" }) },
    { kind: "file", path: "index.json", bytes: index },
    ...blobs,
  ]);
}

function rootFileSystem({ busybox, echo }: ImagePrograms): TarEntry[] {
  const commands = execFileSync(busybox, ["--list"], { encoding: "utf8" }).trim().split("\n");
  const folders = ["bin", "dev", "etc", "proc", "root", "sys", "tmp"];
  const passwd = Buffer.from("root:x:0:0:root:/root:/bin/sh\n");
  return [
    ...folders.map((path): TarEntry => ({ kind: "folder", path })),
    { kind: "file", path: "bin/busybox", bytes: readFileSync(busybox) },
    { kind: "file", path: "bin/echo-server", bytes: readFileSync(echo) },
    { kind: "file", path: "etc/passwd", bytes: passwd, mode: 0o644 },
    ...commands
      .filter((name) => name !== "busybox")
      .map((name): TarEntry => ({ kind: "link", path: join("bin", name), target: "busybox" })),
  ];
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));

const digest = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const descriptor = (mediaType: string, bytes: Uint8Array) => ({
  mediaType,
  digest: digest(bytes),
  size: bytes.length,
});
