// Where the fields of events lie, for readers who take them apart where they are in the ring, a hundred thousand a
// second: as generated from the programs' BTF.
import { offsetOf } from "@tsilium/ebpf";
import { event, eventHeader, socketEvent, type EventHeader, type SocketEvent } from "../gen/abi.ts";

const headerFields = Object.keys(eventHeader.fields ?? {}) as (keyof EventHeader)[];
const socketFields = Object.keys(socketEvent.fields ?? {}).filter(
  (field) => field !== "header",
) as Exclude<keyof SocketEvent, "header">[];

/** Of struct event_header, with which both kinds of records begin. Integers are little-endian. */
export const headerLayout = Object.freeze(
  Object.fromEntries(
    headerFields.map((field) => [field, offsetOf(event, "header") + offsetOf(eventHeader, field)]),
  ),
) as Readonly<Record<keyof EventHeader, number>>;

/** Of struct event. */
export const packetEventLayout = Object.freeze({
  packet: offsetOf(event, "packet"),
  size: event.size,
});

/** Of struct socket_event, behind its header. Ports are big-endian; addresses 16 bytes, IPv4 as ::ffff:a.b.c.d. */
export const socketEventLayout = Object.freeze({
  ...(Object.fromEntries(
    socketFields.map((field) => [field, offsetOf(socketEvent, field)]),
  ) as Record<Exclude<keyof SocketEvent, "header">, number>),
  size: socketEvent.size,
});
