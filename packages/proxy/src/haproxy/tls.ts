// TLS of listeners, all of it at run time: certificates and keys go over the runtime socket and are nowhere else.
//
// Terminating: HAProxy's listeners speak TLS or do not, once for all. So a listener whose rules terminate TLS has a slot,
// a socket of HAProxy's own behind it that speaks TLS with the certificate of that listener. Originating: servers that
// are named by what they are made with are added to the listener's backend, two of each (t1 and t2: by HTTP version), and
// go when another has taken their place and nobody is served by them any more.
import { createHash } from "node:crypto";
import type { TlsRules } from "@tsilium/policy/model.ts";
import type { SecretStore } from "../model.ts";
import { tlsMaterial, type TlsMaterial } from "../secrets/index.ts";
import { slotAuthority, slotCertificate } from "./config.ts";
import { HaproxyError } from "./error.ts";
import { replaceMap } from "./maps.ts";
import type { Paths } from "./paths.ts";
import type { Pool } from "./pool.ts";
import type { Runtime } from "./runtime.ts";

export type TlsOptions = {
  readonly runtime: Runtime;
  readonly paths: Paths;
  readonly pool: Pool;
  readonly secrets: SecretStore;
  /** PEM of the certificate that slots have which nobody uses. */
  readonly placeholder: () => string;
};

export class ListenersTls {
  readonly #options: TlsOptions;
  /** Listener's port -> slot. */
  readonly #slots = new Map<number, string>();
  /** Listeners whose backend may have servers of ours. */
  readonly #served = new Set<number>();
  /** What was committed last, by name: nothing is rebuilt for what is the same. */
  readonly #committed = new Map<string, string>();

  constructor(options: TlsOptions) {
    this.#options = options;
  }

  /** Takes over the slots that a running process has given out: connections that end in them live on. */
  async adopt(): Promise<void> {
    const { runtime, paths, pool } = this.#options;
    const known = new Set([...pool.slots.plain, ...pool.slots.mutual]);
    for (const line of (await runtime.ask(`show map ${paths.map("tls")}`)).split("\n")) {
      const [, port = "", slot = ""] = /^0x\w+ (\d+) (\w+)$/.exec(line) ?? [];
      if (known.has(slot)) this.#slots.set(Number(port), slot);
    }
  }

  /**
   * Makes ready what the listener's rules say of TLS, before they are in force. @returns the name of its servers
   * @throws HaproxyError "refused" with what is wrong: the listener must let nothing through
   */
  async set(port: number, tls: TlsRules): Promise<string | undefined> {
    const { secrets } = this.#options;
    const server = tls.originating
      ? await this.#setServers(port, sound(tlsMaterial(tls.originating, "originating", secrets)))
      : undefined;
    if (server !== undefined) this.#served.add(port);
    if (tls.terminating)
      await this.#setSlot(port, sound(tlsMaterial(tls.terminating, "terminating", secrets)));
    else await this.release(port);
    return server;
  }

  /** The listener terminates nothing any more. Its slot forgets the certificate. */
  async release(port: number): Promise<void> {
    const slot = this.#slots.get(port);
    if (slot === undefined) return;
    this.#slots.delete(port);
    await this.#tell();
    await this.#setCertificate(
      slotCertificate(this.#options.paths, slot),
      this.#options.placeholder(),
    );
  }

  /** Listeners with slots. */
  ports(): number[] {
    return [...this.#slots.keys()];
  }

  async #setSlot(port: number, material: TlsMaterial): Promise<void> {
    const { pool, paths } = this.#options;
    const kind = material.trustedCa === undefined ? pool.slots.plain : pool.slots.mutual;
    const held = this.#slots.get(port);
    const taken = new Set(this.#slots.values());
    const slot =
      held !== undefined && kind.includes(held) ? held : kind.find((free) => !taken.has(free));
    if (slot === undefined)
      throw new HaproxyError(
        "refused",
        `more than ${kind.length} listeners terminate TLS like this`,
      );
    await this.#setCertificate(slotCertificate(paths, slot), certificateText(material));
    if (material.trustedCa !== undefined)
      await this.#setAuthority(slotAuthority(paths, slot), material.trustedCa);
    this.#slots.set(port, slot);
    await this.#tell();
  }

  async #setServers(port: number, material: TlsMaterial): Promise<string> {
    const { runtime, paths } = this.#options;
    const { trustedCa = "", certificate } = material;
    const name = createHash("sha256")
      .update(`${trustedCa}\0${certificate ?? ""}`)
      .digest("hex")
      .slice(0, 12);
    const present = await this.#serversOf(port);
    if (present.includes(`t1${name}`) && present.includes(`t2${name}`)) return name;
    const authorityFile = paths.map(`${port}-${name}.ca.pem`);
    const certificateFile = paths.map(`${port}-${name}.pem`);
    await this.#commit("ca-file", authorityFile, blocksOf(trustedCa));
    if (certificate !== undefined)
      await this.#commit("cert", certificateFile, certificateText(material));
    for (const [version, protocols] of [
      [1, "http/1.1"],
      [2, "h2,http/1.1"],
    ] as const) {
      const server = `r${port}/t${version}${name}`;
      if (present.includes(`t${version}${name}`)) continue;
      const words = [
        `add server ${server} 0.0.0.0:0 ssl verify required ca-file ${authorityFile}`,
        `sni var(txn.sn) alpn ${protocols} source 0.0.0.0 usesrc clientip weight 0`,
        // A session that is taken up again is not asked for its certificate.
        "no-ssl-reuse",
        ...(certificate === undefined ? [] : [`crt ${certificateFile}`]),
      ];
      await runtime.expect(words.join(" "), /New server registered/);
      await runtime.tell(`enable server ${server}`);
    }
    return name;
  }

  /** Takes away servers that the listener's rules, which are in force, do not name. Those in use stay for a later time. */
  async retire(port: number, kept: string | undefined): Promise<void> {
    const { runtime, paths } = this.#options;
    if (kept === undefined && !this.#served.has(port)) return;
    this.#served.add(port);
    for (const server of await this.#serversOf(port)) {
      const name = server.slice(2);
      if (name === kept) continue;
      await runtime.ask(`disable server r${port}/${server}`);
      if (!/deleted/i.test(await runtime.ask(`del server r${port}/${server}`))) continue;
      // Refused while the other of the two is there.
      for (const [kind, file] of [
        ["ca-file", paths.map(`${port}-${name}.ca.pem`)],
        ["cert", paths.map(`${port}-${name}.pem`)],
      ] as const) {
        await runtime.ask(`del ssl ${kind} ${file}`);
        this.#committed.delete(file);
      }
    }
  }

  /** Names of servers that were added to the listener's backend. */
  async #serversOf(port: number): Promise<string[]> {
    const list = await this.#options.runtime.ask(`show servers state r${port}`);
    const found = list.matchAll(/^\d+ r\d+ \d+ (t[12][0-9a-f]{12}) /gm);
    return [...found].map(([, name = ""]) => name);
  }

  async #setCertificate(name: string, pem: string): Promise<void> {
    await this.#commit("cert", name, pem);
  }

  async #setAuthority(name: string, pem: string): Promise<void> {
    await this.#commit("ca-file", name, blocksOf(pem));
  }

  async #commit(kind: "cert" | "ca-file", name: string, pem: string): Promise<void> {
    const { runtime } = this.#options;
    if (this.#committed.get(name) === pem) return;
    // A transaction that an agent before this one left open would be in the way.
    await runtime.ask(`abort ssl ${kind} ${name}`);
    const isThere = !/not found|Can't display|unknown/i.test(
      await runtime.ask(`show ssl ${kind} ${name}`),
    );
    if (!isThere) await runtime.expect(`new ssl ${kind} ${name}`, /created|New empty/i);
    await runtime.expect(
      `set ssl ${kind} ${name}`,
      /[Tt]ransaction (?:created|updated)|created|updated/,
      pem,
    );
    await runtime.expect(`commit ssl ${kind} ${name}`, /Success!/);
    this.#committed.set(name, pem);
  }

  /** Says which listeners terminate TLS, in one step. */
  async #tell(): Promise<void> {
    const { runtime, paths } = this.#options;
    const entries = [...this.#slots].map(([port, slot]) => ({ key: String(port), value: slot }));
    await replaceMap(runtime, paths.map("tls"), entries);
  }
}

function sound(material: TlsMaterial | { readonly problem: string }): TlsMaterial {
  if ("problem" in material) throw new HaproxyError("refused", material.problem);
  return material;
}

/** As HAProxy takes it: the chain and the key in one text. */
function certificateText({ certificate = "", privateKey = "" }: TlsMaterial): string {
  return `${blocksOf(certificate)}\n${blocksOf(privateKey)}`;
}

/** PEM without what stands around its blocks: an empty line would end the command. */
function blocksOf(pem: string): string {
  const blocks = pem.match(/-----BEGIN [A-Z0-9 ]+-----[\s\S]*?-----END [A-Z0-9 ]+-----/g) ?? [];
  return blocks
    .map((block) =>
      block
        .split(/\r?\n/)
        .map((line) => line.trim())
        .filter((line) => line !== "")
        .join("\n"),
    )
    .join("\n");
}
