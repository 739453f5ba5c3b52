// The packets whose cost under policy is told, and what comes before them.
import type { Packet } from "../../programs/rows.ts";
import { localConnection } from "../../programs/rows.ts";
import type { Family } from "../../../bpf/tests/world.ts";
import { ports } from "./amounts.ts";

export type Case = {
  readonly title: string;
  /** What went before, in order; forwarded. */
  readonly before: readonly Packet[];
  readonly measured: Packet;
  /** Each run is a connection of its own. */
  readonly isNew: boolean;
  /** Forwarded, or dropped, with user space told of it or not. */
  readonly outcome: "forwarded" | "dropped" | "dropped and told";
};

export function cases(family: Family): Case[] {
  const open = localConnection(family, ports.open);
  const opened = [open.syn, open.synAck, open.data];
  const closed = (port: number, outcome: Case["outcome"]) => ({
    before: [],
    measured: localConnection(family, port).syn,
    isNew: true,
    outcome,
  });
  return [
    {
      title: "new: SYN, allowed by both ends' policy (aim: flat, at most 1,100 ns)",
      before: [],
      measured: open.syn,
      isNew: true,
      outcome: "forwarded",
    },
    {
      title: "established (aim: flat, at most 330 ns)",
      before: opened,
      measured: open.data,
      isNew: false,
      outcome: "forwarded",
    },
    {
      title: "reply (aim: flat, at most 330 ns)",
      before: opened,
      measured: open.reply,
      isNew: false,
      outcome: "forwarded",
    },
    {
      title: "denied by the sender's policy, told to user space",
      ...closed(ports.closedByClient, "dropped and told"),
    },
    {
      title: "denied by the sender's policy, past the budget of events",
      ...closed(ports.closedByClient, "dropped"),
    },
    {
      title: "denied by the receiver's policy, past the budget of events",
      ...closed(ports.closedByServer, "dropped"),
    },
  ];
}
