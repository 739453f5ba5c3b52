// Connections that are held to other rules than those of the listener that accepted them. HAProxy looks them up for each
// request while there are any; they are forgotten when the connection is gone.
import { readFileSync } from "node:fs";
import { Address } from "@tsilium/net";
import type { MovedConnection } from "../model.ts";
import { changeEntries, type MapEntry, mapSizes, setFlag } from "./maps.ts";
import type { Paths } from "./paths.ts";
import type { Runtime } from "./runtime.ts";

const tcp = 6;
/** How often connections that ended are looked for. */
const sweepMs = 3_000;

export class Moves {
  readonly #runtime: Runtime;
  readonly #map: string;
  readonly #pid: () => number | undefined;
  /** Key of the map -> the connection's two ends as /proc/net/tcp has them. */
  readonly #known = new Map<string, string>();
  #on = false;
  #working: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  /** @param pid of the process whose connections they are */
  constructor(runtime: Runtime, paths: Paths, pid: () => number | undefined) {
    this.#runtime = runtime;
    this.#map = paths.map("moved");
    this.#pid = pid;
  }

  /** What an agent before this one said goes on to hold. */
  async adopt(): Promise<void> {
    const size = (await mapSizes(this.#runtime)).get(this.#map) ?? 0;
    if (size === 0) return;
    this.#on = true;
    for (const line of (await this.#runtime.ask(`show map ${this.#map}`)).split("\n")) {
      const [, key = ""] = /^0x\w+ (\S+) \d+:\d+$/.exec(line) ?? [];
      if (key !== "") this.#known.set(key, endsOf(key));
    }
    this.#watch();
  }

  /** Idempotent. Others than TCP connections have nothing that would be held to rules later. */
  move(connections: readonly MovedConnection[]): Promise<void> {
    return this.#serially(() => this.#move(connections));
  }

  /** Forgets connections that are gone. */
  sweep(): Promise<void> {
    return this.#serially(() => this.#sweep());
  }

  /** How many there are. */
  get size(): number {
    return this.#known.size;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #move(connections: readonly MovedConnection[]): Promise<void> {
    const wanted = connections
      .filter(({ protocol }) => protocol === tcp)
      .map((moved) => [keyOf(moved), moved.from === moved.to ? undefined : moved.to] as const);
    await this.#change(new Map(wanted));
    await this.#switch(this.#known.size > 0);
    this.#watch();
  }

  async #sweep(): Promise<void> {
    const pid = this.#pid();
    if (pid === undefined || this.#known.size === 0) return;
    const there = connectionsOf(pid);
    const over = [...this.#known].filter(([, ends]) => !there.has(ends));
    await this.#change(new Map(over.map(([key]) => [key, undefined])));
    if (this.#known.size === 0) await this.#switch(false);
  }

  /** @param wanted key -> whose rules hold; undefined: its own listener's */
  async #change(wanted: ReadonlyMap<string, number | undefined>): Promise<void> {
    const [added, set, removed]: [MapEntry[], MapEntry[], string[]] = [[], [], []];
    const now = Date.now();
    for (const [key, to] of wanted) {
      const isKnown = this.#known.has(key);
      if (to !== undefined) (isKnown ? set : added).push({ key, value: `${now}:${to}` });
      else if (isKnown) removed.push(key);
    }
    await changeEntries(this.#runtime, this.#map, { added, set, removed });
    for (const key of removed) this.#known.delete(key);
    for (const { key } of added) this.#known.set(key, endsOf(key));
  }

  #serially(work: () => Promise<void>): Promise<void> {
    const done = this.#working.then(work);
    this.#working = done.catch(() => undefined);
    return done;
  }

  async #switch(on: boolean): Promise<void> {
    if (this.#on === on) return;
    await setFlag(this.#runtime, "moved", on);
    this.#on = on;
  }

  #watch(): void {
    if (this.#timer || this.#known.size === 0) return;
    this.#timer = setInterval(() => {
      this.sweep()
        .catch(() => undefined)
        .finally(() => {
          if (this.#known.size > 0) return;
          clearInterval(this.#timer);
          this.#timer = undefined;
        });
    }, sweepMs);
    this.#timer.unref();
  }
}

/** As headers-script.ts makes it. */
function keyOf({ from, client, server }: MovedConnection): string {
  return [from, text(client.address), client.port, text(server.address), server.port].join("|");
}

/** As inet_ntop writes it, which is how HAProxy does. */
function text(address: string): string {
  return Address.parse(address).toString();
}

/** Of the accepted socket: its own end is the server that was asked. */
function endsOf(key: string): string {
  const [, client = "", clientPort = "", server = "", serverPort = ""] = key.split("|");
  return `${endOf(server, serverPort)} ${endOf(client, clientPort)}`;
}

const endOf = (address: string, port: string): string =>
  `${hexOf(Address.parse(address))}:${Number(port).toString(16).toUpperCase().padStart(4, "0")}`;

/** Groups of four bytes, each as a number of this machine's byte order. */
function hexOf({ bytes }: Address): string {
  let hex = "";
  for (let at = 0; at < bytes.length; at += 4)
    hex += Buffer.from(bytes.slice(at, at + 4).reverse()).toString("hex");
  return hex.toUpperCase();
}

const timeWait = "06";

/** Ends of every TCP connection in the namespace of the process that somebody still has open. */
function connectionsOf(pid: number): ReadonlySet<string> {
  const found = new Set<string>();
  for (const table of ["tcp", "tcp6"]) {
    const lines = readFileSync(`/proc/${pid}/net/${table}`, "latin1").split("\n").slice(1);
    for (const line of lines) {
      const [, local, remote, state] = line.trim().split(/\s+/, 4);
      if (remote !== undefined && state !== timeWait) found.add(`${local} ${remote}`);
    }
  }
  return found;
}
