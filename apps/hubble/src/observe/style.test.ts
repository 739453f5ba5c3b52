import assert from "node:assert/strict";
import { test } from "node:test";
import { coloured, noColours } from "../print/colour.ts";
import { shownFields } from "./fields.ts";
import { checkFilters, flowsRequestMessage } from "./messages.ts";
import { outputStyle, wantedFields } from "./style.ts";

test("how to print, from flags", () => {
  const style = outputStyle({ color: "never" });
  assert.deepEqual(style, {
    format: "compact",
    time: "StampMilli",
    nodes: false,
    policies: false,
    names: true,
    colours: noColours,
  });
  assert.deepEqual(outputStyle({ output: "JSON" }), { format: "json" });
  assert.equal(outputStyle({ output: "tab" }).format, "table");
  const numeric = outputStyle({ numeric: true, timeFormat: "rfc3339" });
  assert.ok(numeric.format !== "json" && !numeric.names && numeric.time === "RFC3339");
  const addresses = outputStyle({ ipTranslation: false });
  assert.ok(addresses.format !== "json" && !addresses.names);
});

test("formats that there are not, and that do not go together", () => {
  assert.throws(() => outputStyle({ output: "xml" }), {
    message: 'there is no output format "xml"',
  });
  assert.throws(() => outputStyle({ timeFormat: "ANSIC" }), {
    message: 'there is no time format "ANSIC"',
  });
  assert.throws(() => outputStyle({ output: "table", follow: true }), {
    message: "-o table and --follow cannot be combined",
  });
  assert.throws(() => wantedFields({ fieldMask: ["time"] }, outputStyle({})), {
    message: /^-o compact and --field-mask cannot be combined/,
  });
});

test("colours are for terminals, unless something else is said", () => {
  const terminal = { isTTY: true };
  assert.equal(coloured("auto", terminal, {}), true);
  assert.equal(coloured("auto", terminal, { NO_COLOR: "1" }), false);
  assert.equal(coloured("auto", terminal, { TERM: "dumb" }), false);
  assert.equal(coloured("auto", {}, {}), false);
  assert.equal(coloured("always", {}, { NO_COLOR: "1" }), true);
  assert.equal(coloured("never", terminal, {}), false);
});

test("which fields to ask for: all that exist", () => {
  const compact = outputStyle({});
  assert.deepEqual(wantedFields({}, compact), []);
  assert.deepEqual(wantedFields({ useDefaultFieldMasks: true }, compact), shownFields);
  assert.deepEqual(flowsRequestMessage({}, shownFields).fieldMask?.paths, [...shownFields]);
  assert.throws(() => flowsRequestMessage({}, ["time", "source.nose"]), {
    message: '--field-mask: flow.Flow has no field "source.nose"',
  });
});

test("requests are what they say, and filters are FlowFilters", () => {
  const message = flowsRequestMessage(
    {
      number: "18446744073709551615",
      since: "2026-11-26T10:00:00.5Z",
      whitelist: [
        {
          source_workload: [{ name: "web" }],
          verdict: ["DROPPED"],
          tcp_flags: [{ SYN: true }],
          event_type: [{ type: 4, match_sub_type: true }],
          ip_trace_id: ["7"],
          experimental: { cel_expression: ["true"] },
        },
      ],
      blacklist: [{ drop_reason_desc: ["POLICY_DENIED"], reply: [true] }],
    },
    [],
  );
  assert.equal(message.number, 2n ** 64n - 1n);
  assert.equal(message.since?.nanos, 500_000_000);
  const [wanted] = message.whitelist;
  assert.equal(wanted?.sourceWorkload[0]?.name, "web");
  assert.deepEqual([...(wanted?.verdict ?? [])], [2]);
  assert.equal(wanted?.tcpFlags[0]?.SYN, true);
  assert.equal(wanted?.eventType[0]?.matchSubType, true);
  assert.deepEqual(wanted?.ipTraceId, [7n]);
  assert.deepEqual(wanted?.experimental?.celExpression, ["true"]);
  assert.deepEqual([...(message.blacklist[0]?.dropReasonDesc ?? [])], [133]);
  const lists = (filter: object) => ({ allowlist: [filter], denylist: [] });
  assert.throws(() => checkFilters(lists({ nose: [1] })), {
    message: /^--allowlist: \{"nose":\[1\]\} is no FlowFilter: /,
  });
  assert.throws(() => checkFilters(lists({ source_ip: "1.1.1.1" })), {
    message: /is no FlowFilter/,
  });
  assert.throws(() => checkFilters(lists({ drop_reason_desc: ["POLICY_DENIAL"] })), {
    message: 'there is no drop reason "POLICY_DENIAL"',
  });
});
