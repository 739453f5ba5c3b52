// What tests stand on: namespaces and wires that clean up after themselves, raw frames, seeded random input.
export { setTxChecksumOffload } from "./offload.ts";
export { Netns, removeNetns, type ExecOptions, type ExecResult } from "./netns.ts";
export { PacketSocket } from "./packet-socket.ts";
export { repeat, seeded, type Random, type RepeatOptions } from "./random.ts";
export { removeLeftovers, Topology, type WireEnd } from "./topology.ts";
