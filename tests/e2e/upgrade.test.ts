// An agent that returns with other programs puts them in the place of those that run: packets, connections and
// masqueraded flows lose nothing, also when the new programs lay their tables out differently.
//
//   node-1: client, near    node-2: far    world: beyond masquerading
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Link } from "@tsilium/ebpf";
import { buildOlderObjects } from "../../packages/datapath/src/testing/older-objects.ts";
import { assertCensus, census } from "./census.ts";
import { Flows } from "./flows.ts";
import { podFacts } from "./frames.ts";
import {
  echoPod,
  isAgentWell,
  killProcess,
  Lab,
  manifests,
  namespaceManifest,
  root,
} from "./harness.ts";
import { assertDropsSince, drops } from "./metrics.ts";

const nodes = ["node-1", "node-2"] as const;
const namespace = "upgrade";
const world = { ipv4: "203.0.113.10", ipv6: "2001:db8:113::10" };

type Health = { parts: { name: string; message: string }[] };

let folder: string;
let objects: string;
let settings: string;
let lab: Lab;
let pods: string[];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tsit-upgrade-"));
  objects = buildOlderObjects(folder);
  settings = join(folder, "config");
  mkdirSync(settings);
  lab = await Lab.up({
    nodes: 2,
    name: `t${process.pid}upgrade`,
    set: { "bpf-objects": objects, "config-dir": settings },
  });
  await lab.apply(
    manifests(
      namespaceManifest(namespace),
      echoPod({ name: "client", namespace, node: "node-1" }),
      echoPod({ name: "near", namespace, node: "node-1" }),
      echoPod({ name: "far", namespace, node: "node-2" }),
    ),
  );
  await lab.wait(namespace);
  pods = [
    (await podFacts(lab, "node-1", "near")).ipv4,
    (await podFacts(lab, "node-2", "far")).ipv6,
  ];
});
after(async () => {
  await lab?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("rebuilt objects replace the programs in place, and move the tables that they lay out differently", async () => {
  const counted = await Promise.all(nodes.map((node) => census(lab, node)));
  const [tagsBefore, linksBefore, dropsBefore] = [await tags(), links(), await drops(lab, nodes)];
  await using flows = await startFlows([...pods, world.ipv4, world.ipv6]);
  cpSync(join(root, "dist/bpf"), objects, { recursive: true });
  // As a node is drained of its old agent: one after the other.
  for (const node of nodes) await restartAgent(node, "SIGTERM");
  await flows.assertWhole();
  await assertDropsSince(lab, nodes, dropsBefore);

  const tagsAfter = await tags();
  assert.deepEqual(Object.keys(tagsAfter), Object.keys(tagsBefore));
  for (const [program, tag] of Object.entries(tagsAfter)) {
    // It reads no entry of a table that is laid out differently: the same instructions, in another program.
    if (program.endsWith("program to_proxy")) continue;
    assert.notEqual(tag, tagsBefore[program], `${program} is another one`);
  }
  assertReplaced(linksBefore, links());
  for (const [at, node] of nodes.entries()) await assertCensus(lab, node, counted[at] as never);
});

test("another configuration replaces the programs in place", async () => {
  const linksBefore = links();
  const dropsBefore = await drops(lab, nodes);
  assert.equal(await reaches(world.ipv6), true, "masqueraded");
  await using flows = await startFlows([...pods, world.ipv4]);
  writeFileSync(join(settings, "enable-ipv6-masquerade"), "false\n");
  await restartAgent("node-1", "SIGKILL");
  await flows.assertWhole();
  await assertDropsSince(lab, nodes, dropsBefore);
  assertReplaced(linksBefore, links(), ["node-1"]);
  assert.equal(await reaches(world.ipv6), false, "the world cannot answer a pod's own address");
});

function startFlows(targets: readonly string[]): Promise<Flows> {
  return Flows.start(lab, { namespace, from: "client", targets });
}

function restartAgent(node: string, signal: NodeJS.Signals): Promise<void> {
  return killProcess(lab, `agent/${node}`, { signal, returned: () => isAgentWell(lab, node) });
}

/** Tags of the nodes' programs, as `tsilium status` shows them. */
async function tags(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const node of nodes) {
    const { parts } = await lab.json<Health>("--node", node, "status");
    for (const { name, message } of parts) {
      const tag = /\btag ([0-9a-f]{16})/.exec(message)?.[1];
      if (tag) found[`${node} ${name}`] = tag;
    }
  }
  return found;
}

type Attached = { readonly link: number; readonly program: number };

/** What is attached where: pods' interfaces and the nodes' own. */
function links(): Map<string, Attached> {
  return new Map(
    nodes.flatMap((node) => {
      const pins = `/var/run/tsilium/lab/${lab.name}/bpf/${node}/links`;
      return readdirSync(pins).map((pin) => {
        using link = Link.fromPinned(join(pins, pin));
        const { id, programId } = link.info();
        return [`${node} ${pin}`, { link: id, program: programId }] as const;
      });
    }),
  );
}

/** The same links hold other programs: nothing was detached on the way. */
function assertReplaced(
  before: ReadonlyMap<string, Attached>,
  after: ReadonlyMap<string, Attached>,
  restarted: readonly string[] = nodes,
): void {
  assert.deepEqual([...after.keys()], [...before.keys()]);
  for (const [place, { link, program }] of after) {
    const old = before.get(place);
    assert.equal(link, old?.link, `${place} was attached anew`);
    if (restarted.some((node) => place.startsWith(`${node} `)))
      assert.notEqual(program, old?.program, `${place} runs the old program`);
  }
}

async function reaches(address: string): Promise<boolean> {
  const ping = await lab.exec(namespace, "client", ["ping", "-c", "1", "-W", "1", address]);
  return ping.status === 0;
}
