// The world in which the Kubernetes network-policy tests play, for cases written by hand:
//
//   node-1 172.18.0.2: x/a x/b  y/a y/b  z/a z/b        node-2 172.18.0.3: x/c y/c z/c        outside: 203.0.113.10
//   pods serve 80 and 81 of TCP and UDP under the names serve-80-tcp, serve-81-udp, ...
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadAll } from "js-yaml";
import type { RawObject } from "./objects.ts";
import {
  defaultSettings,
  type Party,
  partiesOf,
  partyName,
  type Protocol,
  type Question,
  type Settings,
  type World,
} from "./world.ts";
import { naive, type Answer } from "./evaluate.ts";

const names = ["x", "y", "z"];

export const xyz: World = {
  clusterName: "default",
  families: [4, 6],
  namespaces: names.map((name) => ({
    name,
    labels: { ns: name, "kubernetes.io/metadata.name": name },
  })),
  pods: names.flatMap((namespace, at) =>
    ["a", "b", "c"].map((name, index) => ({
      namespace,
      name,
      labels: { pod: name },
      serviceAccount: "default",
      addresses: addressesOf(name === "c" ? 1 : 0, 16 * (at + 1) + index),
      node: name === "c" ? "node-2" : "node-1",
      namedPorts: [80, 81].flatMap((port) => [
        { name: `serve-${port}-tcp`, protocol: "TCP" as const, port },
        { name: `serve-${port}-udp`, protocol: "UDP" as const, port },
      ]),
    })),
  ),
  nodes: [
    { name: "node-1", labels: { zone: "one" }, addresses: ["172.18.0.2", "fc00:18::2"] },
    { name: "node-2", labels: { zone: "two" }, addresses: ["172.18.0.3", "fc00:18::3"] },
  ],
  reserved: [
    { entity: "health", addresses: ["10.244.0.4", "fd00:10:244::4"] },
    { entity: "ingress", addresses: ["10.244.0.5", "fd00:10:244::5"] },
  ],
};

function addressesOf(node: number, host: number): string[] {
  return [`10.244.${node}.${host}`, `fd00:10:244:${node}::${host.toString(16)}`];
}

export type XyzOptions = {
  readonly settings?: Partial<Settings>;
  readonly world?: Partial<World>;
};

export type Case = XyzOptions & {
  /** What the specification says, in a sentence. */
  readonly sentence: string;
  /** A YAML stream of objects. */
  readonly objects: string;
  /** "x/a -> y/b tcp/80: allowed", "node-1 -> x/a udp/81 v6: denied", "x/a -> 203.0.113.10 icmp/8: audit", "...: allowed (http)" */
  readonly expect: readonly string[];
};

/** A test per case. */
export function cases(rows: readonly Case[]): void {
  for (const { sentence, objects, expect, ...options } of rows)
    test(sentence, () => {
      const lines = expect.map((line) => line.slice(0, line.lastIndexOf(":")));
      const got = lines.map((line) => `${line}: ${words(answer(objects, line, options))}`);
      assert.deepEqual(got, expect);
    });
}

/** "allowed (http)": as far as a proxy lets it; "allowed (opened http)": all of it, "allowed (audited http)": also. */
function words({ verdict, egress, ingress }: Answer): string {
  const proxies = [egress?.l7, ingress?.l7].flatMap((l7) => {
    if (!l7) return [];
    const opened = l7.openedBy === undefined ? "" : "opened ";
    return [`(${l7.audit ? "audited " : ""}${opened}${l7.kind})`];
  });
  return [verdict, ...proxies].join(" ");
}

/** The whole answer to one line, without its verdict. */
export function answer(objects: string, line: string, options: XyzOptions = {}): Answer {
  const world = { ...xyz, ...options.world };
  const settings = { ...defaultSettings, ...options.settings };
  return naive(world, objectsOf(objects), settings).verdict(readQuestion(world, line));
}

function objectsOf(yaml: string): RawObject[] {
  return loadAll(yaml).filter((object): object is RawObject => Boolean(object));
}

function readQuestion(world: World, line: string): Question {
  const match = /^(\S+) -> (\S+) (tcp|udp|sctp|icmp)\/(\d+)( v6)?$/.exec(line);
  if (!match) throw new Error(`not a question: ${line}`);
  const [, from = "", to = "", protocol = "", port, v6] = match;
  return {
    from: readParty(world, from),
    to: readParty(world, to),
    family: v6 || `${from}${to}`.includes(":") ? 6 : 4,
    protocol: protocol.toUpperCase() as Protocol,
    port: Number(port),
  };
}

function readParty(world: World, name: string): Party {
  const found = partiesOf(world).find((party) => partyName(party) === name);
  return found ?? { kind: "outside", address: name };
}
