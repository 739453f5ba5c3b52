// Summaries, link addresses and numbers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { newStoreId } from "../history/uuid.ts";
import { emptyFlow } from "../model.ts";
import { icmpSummary } from "./icmp.ts";
import { MacTexts } from "./mac-text.ts";
import { numberFlows } from "./number.ts";
import { tcpFlags } from "./tcp-flags.ts";

for (const [family, type, code, summary] of [
  [4, 8, 0, "ICMPv4 EchoRequest"],
  [4, 3, 1, "ICMPv4 DestinationUnreachable(Host)"],
  [4, 3, 99, "ICMPv4 DestinationUnreachable(Code: 99)"],
  [4, 8, 7, "ICMPv4 EchoRequest(Code: 7)"],
  [4, 200, 3, "ICMPv4 200(3)"],
  [4, 5, 2, "ICMPv4 Redirect(TOS+Net)"],
  [6, 128, 0, "ICMPv6 EchoRequest"],
  [6, 1, 4, "ICMPv6 DestinationUnreachable(PortUnreachable)"],
  [6, 135, 0, "ICMPv6 NeighborSolicitation"],
  [6, 3, 0, "ICMPv6 TimeExceeded(HopLimitExceeded)"],
] as const)
  test(`ICMPv${family} type ${type} code ${code} is "${summary}"`, () => {
    assert.equal(icmpSummary(family, type, code), summary);
  });

test("TCP flags are named in Cilium's order, and are one object for each combination", () => {
  assert.equal(tcpFlags(0x12).summary, "TCP Flags: SYN, ACK");
  assert.equal(tcpFlags(0x1ff).summary, "TCP Flags: SYN, ACK, RST, FIN, PSH, URG, ECE, CWR, NS");
  assert.equal(tcpFlags(0).summary, "TCP Flags: ");
  assert.equal(tcpFlags(0x12).flags, tcpFlags(0x12).flags);
  const { syn, ack, fin } = tcpFlags(0x11).flags;
  assert.deepEqual([syn, ack, fin], [false, true, true]);
});

test("a link address reads as six pairs of digits", () => {
  const texts = new MacTexts();
  assert.equal(texts.of(0x00_0a_0b_0c_0d_0e), "00:0a:0b:0c:0d:0e");
  assert.equal(texts.of(0xff_ff_ff_ff_ff_ff), "ff:ff:ff:ff:ff:ff");
  assert.equal(texts.of(0), "00:00:00:00:00:00");
});

test("flows are numbered one after the other, with UUIDs of their own", () => {
  const storeId = newStoreId();
  const flows = [{ ...emptyFlow }, { ...emptyFlow }];
  assert.equal(numberFlows(flows, 41, storeId), 43);
  assert.deepEqual(
    flows.map(({ sequence, uuid }) => [sequence, uuid]),
    [
      [42, `${storeId}00000000002a`],
      [43, `${storeId}00000000002b`],
    ],
  );
  assert.equal(numberFlows([], 43, storeId), 43);
});
