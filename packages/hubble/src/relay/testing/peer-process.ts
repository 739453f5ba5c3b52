// A node's Hubble server as a process of its own, which makes flows at a steady rate: for kill -9, and for load.
//   node peer-process.ts '{"name":"node-1","socket":"/tmp/x.sock","perSecond":2000,"peers":{"node-1":"unix:///tmp/x.sock"}}'
// Prints "ready" when it listens. Its sequence goes on where the clock is, so that no two lives of it make the same flow.
import { TestPeer, testFlow } from "./test-peer.ts";

export type PeerProcessOptions = {
  readonly name: string;
  readonly socket: string;
  readonly perSecond: number;
  /** Names and addresses that Peer.Notify tells of. */
  readonly peers: Readonly<Record<string, string>>;
  /** How far its clock is ahead; ms. */
  readonly aheadMs?: number;
};

const pollMs = 20;

const {
  name,
  socket,
  perSecond,
  peers,
  aheadMs = 0,
} = JSON.parse(process.argv[2] as string) as PeerProcessOptions;
const peer = new TestPeer({ name, socket: { unix: socket } });
peer.peers.set(
  Object.entries(peers).map(([each, address]) => ({
    name: each,
    address,
    tlsServerName: undefined,
  })),
);
await peer.start();
console.log("ready");

const clockNs = () =>
  BigInt(Math.round((performance.timeOrigin + performance.now() + aheadMs) * 1e6));
const startMs = performance.now();
let sequence = Date.now();
let made = 0;
let lastNs = clockNs();
setInterval(() => {
  const due = Math.floor(((performance.now() - startMs) / 1000) * perSecond);
  const nowNs = clockNs();
  const count = due - made;
  // As an agent has them: those since the last look, in order.
  const flows = Array.from({ length: count }, (_, index) =>
    testFlow(name, sequence++, lastNs + ((nowNs - lastNs) * BigInt(index + 1)) / BigInt(count)),
  );
  made = due;
  lastNs = nowNs;
  peer.observer.add(flows);
}, pollMs);
