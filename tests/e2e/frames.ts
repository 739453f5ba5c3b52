// Frames sent by a pod or a host exactly as a test built them, past its own kernel's rules, and what came back.
import assert from "node:assert/strict";
import { join } from "node:path";
import { etherType, parsePacket, type ParsedPacket } from "@tsilium/net";
import { root, type Lab, type Result, type RunOptions } from "./harness.ts";

/** Runs a command where the frames are to leave: in a pod, a node or the world. */
export type Runner = (command: readonly string[], options: RunOptions) => Promise<Result>;

/** What a frame of a pod has to say to be believed, and which endpoint is told of it otherwise. */
export type PodFacts = {
  readonly endpointId: number;
  readonly identity: number;
  readonly mac: string;
  readonly gatewayMac: string;
  readonly ipv4: string;
  readonly ipv6: string;
};

type EndpointRow = {
  id: number;
  identity: { id: number };
  addressing: { ipv4: string; ipv6: string };
  pod?: { namespace: string; name: string };
  interface: { mac: string; hostMac: string };
};

/** A pod as the agent of its node knows it. */
export async function podFacts(lab: Lab, node: string, name: string): Promise<PodFacts> {
  const rows = await lab.json<EndpointRow[]>("--node", node, "endpoint", "list");
  const row = rows.find(({ pod }) => pod?.name === name);
  assert.ok(row, `${node} has no endpoint of pod ${name}`);
  return {
    endpointId: row.id,
    identity: row.identity.id,
    mac: row.interface.mac,
    gatewayMac: row.interface.hostMac,
    ...row.addressing,
  };
}

/** Sends the frames in order out of eth0, and answers with what it received until nothing came for `waitMs`. */
export async function sendFrames(
  runner: Runner,
  frames: readonly Uint8Array[],
  waitMs = 200,
): Promise<ParsedPacket[]> {
  const input = frames.map((frame) => `${Buffer.from(frame).toString("hex")}\n`).join("");
  const sent = await runner([join(root, "dist/bin/frames"), "eth0", String(waitMs)], { input });
  assert.equal(sent.status, 0, sent.stderr);
  return sent.stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => parsePacket(Buffer.from(line, "hex")))
    .filter((packet) => !isGroupReport(packet));
}

/** MLDv2 (RFC 3810): the link's other end tells of its own groups, at times of its choosing. No answer to anybody. */
function isGroupReport({ ethernet, icmp }: ParsedPacket): boolean {
  return ethernet?.type === etherType.ipv6 && icmp?.type === 143;
}

/** Link addresses of a frame out of eth0 towards an address, as the runner's own kernel would use. */
export async function linkTowards(
  runner: Runner,
  target: string,
): Promise<{ src: string; dst: string }> {
  const json = async <T>(...command: string[]): Promise<T> => {
    const { stdout, stderr } = await runner(command, {});
    assert.notEqual(stdout, "", `${command.join(" ")}: ${stderr}`);
    return JSON.parse(stdout) as T;
  };
  // Whoever is next on the way gets known by being used.
  await runner(["ping", "-n", "-c", "1", "-W", "2", target], {});
  const [route] = await json<{ gateway?: string }[]>("ip", "-j", "route", "get", target);
  const next = route?.gateway ?? target;
  const [neighbour] = await json<{ lladdr: string }[]>("ip", "-j", "neighbour", "show", next);
  const [link] = await json<{ address: string }[]>("ip", "-j", "link", "show", "eth0");
  assert.ok(neighbour && link);
  return { src: link.address, dst: neighbour.lladdr };
}
