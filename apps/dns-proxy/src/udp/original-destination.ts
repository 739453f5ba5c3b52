// Whom a client asked: what the kernel says of a datagram that was assigned to a listener.
import {
  AF_INET,
  AF_INET6,
  IP_RECVORIGDSTADDR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVORIGDSTADDR,
} from "@tsilium/syscall";
import type { Family } from "./listening.ts";

// Control messages have the numbers of the options that ask for them.
const messages = {
  4: { level: IPPROTO_IP, type: IP_RECVORIGDSTADDR, family: AF_INET, size: 16 },
  6: { level: IPPROTO_IPV6, type: IPV6_RECVORIGDSTADDR, family: AF_INET6, size: 28 },
} as const;

/** Sockaddr bytes of whom the client asked: of the one control message there is. */
export function serverOf(family: Family, control: Buffer, length: number): Buffer | undefined {
  const wanted = messages[family];
  if (length < 16 + wanted.size) return undefined;
  if (control.readInt32LE(8) !== wanted.level || control.readInt32LE(12) !== wanted.type)
    return undefined;
  const server = control.subarray(16, 16 + wanted.size);
  return server.readUInt16LE(0) === wanted.family ? server : undefined;
}

/** Sockaddr bytes of 127.0.0.0/8 or ::1. */
export function isLoopback(family: Family, server: Buffer): boolean {
  if (family === 4) return server[4] === 127;
  for (let index = 8; index < 23; index++) if (server[index] !== 0) return false;
  return server[23] === 1;
}
