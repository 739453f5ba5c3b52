// The one native door: every system call of Tsilium that Node does not offer goes through here.
export * from "./bpf.ts";
export * from "./constants.ts";
export * from "./credentials.ts";
export * from "./datagrams.ts";
export * from "./epoll.ts";
export * from "./errors.ts";
export * from "./file.ts";
export { addressOf } from "./libc.ts";
export * from "./memory.ts";
export * from "./namespace.ts";
export * from "./pidfd.ts";
export * from "./poll.ts";
export * from "./process.ts";
export * from "./root.ts";
export * from "./sockaddr.ts";
export * from "./socket.ts";
export * from "./system.ts";
