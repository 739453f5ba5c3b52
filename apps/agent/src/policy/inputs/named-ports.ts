// Which named ports the endpoints of an identity have, on all nodes: an egress rule for a port's name means the number
// that each peer gives it.
import { isDeepStrictEqual } from "node:util";
import type { NamedPort } from "@tsilium/policy/model.ts";
import { Table } from "@tsilium/tables";

export type IdentityPorts = {
  readonly identity: number;
  /** Sorted, each once. One name may stand for several numbers. */
  readonly ports: readonly NamedPort[];
};

type Said = { readonly identity: number; readonly ports: readonly NamedPort[] };

export class NamedPorts {
  /** Identities that have named ports, keyed by number. */
  readonly table: Table<IdentityPorts> = new Table<IdentityPorts>({
    name: "named-ports",
    key: ({ identity }) => String(identity),
    equals: isDeepStrictEqual,
  });
  readonly #said = new Map<string, Said>();
  /** How many owners have a port, by identity and the port's text. */
  readonly #counts = new Map<number, Map<string, { readonly port: NamedPort; owners: number }>>();

  of(identity: number): readonly NamedPort[] {
    return this.table.get(String(identity))?.ports ?? [];
  }

  /** All ports of one endpoint and its identity, in place of what was said of it before. */
  set(owner: string, identity: number, ports: readonly NamedPort[]): void {
    const before = this.#said.get(owner);
    if (ports.length === 0) this.#said.delete(owner);
    else this.#said.set(owner, { identity, ports });
    this.#count(identity, ports, 1);
    if (before) this.#count(before.identity, before.ports, -1);
    this.#publish(identity);
    if (before && before.identity !== identity) this.#publish(before.identity);
  }

  delete(owner: string): void {
    const before = this.#said.get(owner);
    if (before) this.set(owner, before.identity, []);
  }

  #count(identity: number, ports: readonly NamedPort[], change: 1 | -1): void {
    const counts = this.#counts.get(identity) ?? new Map();
    this.#counts.set(identity, counts);
    for (const port of new Map(ports.map((each) => [textOf(each), each])).values()) {
      const key = textOf(port);
      const owners = (counts.get(key)?.owners ?? 0) + change;
      if (owners > 0) counts.set(key, { port, owners });
      else counts.delete(key);
    }
    if (counts.size === 0) this.#counts.delete(identity);
  }

  #publish(identity: number): void {
    const counts = this.#counts.get(identity);
    if (!counts) {
      this.table.delete(String(identity));
      return;
    }
    const ports = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { port }]) => port);
    this.table.upsert({ identity, ports });
  }
}

function textOf({ name, protocol, port }: NamedPort): string {
  return `${name}/${protocol}/${port}`;
}
