import assert from "node:assert/strict";
import { test } from "node:test";
import { toJson } from "@bufbuild/protobuf";
import { FlowFilterSchema } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import { filtersOf } from "../shared/filters.ts";
import { filterLists } from "./filter-request.ts";

function lists(query: string) {
  const { whitelist, blacklist } = filterLists(filtersOf(new URLSearchParams(query)));
  const json = (filters: typeof whitelist) =>
    filters.map((filter) => toJson(FlowFilterSchema, filter, { useProtoFieldName: true }));
  return { white: json(whitelist), black: json(blacklist) };
}

const rows: readonly (readonly [string, unknown[], unknown[]])[] = [
  ["", [], []],
  ["verdict=DROPPED&verdict=AUDIT", [{ verdict: ["DROPPED", "AUDIT"] }], []],
  ["namespace=shop", [{ source_pod: ["shop/"] }, { destination_pod: ["shop/"] }], []],
  [
    "pod=web&namespace=shop&to-port=80",
    [
      { source_pod: ["shop/web"], destination_port: ["80"] },
      { destination_pod: ["shop/web"], destination_port: ["80"] },
    ],
    [],
  ],
  ["from-namespace=a&to-namespace=b", [{ source_pod: ["a/"], destination_pod: ["b/"] }], []],
  ["not.port=53", [], [{ source_port: ["53"] }, { destination_port: ["53"] }]],
  ["reply=false", [], [{ reply: [true] }]],
  ["not.reply=false", [{ reply: [true] }], []],
  ["encrypted=false", [{ encrypted: [false] }], []],
  ["identity=world", [{ source_identity: [2] }, { destination_identity: [2] }], []],
  ["type=trace:to-endpoint", [{ event_type: [{ type: 4, match_sub_type: true }] }], []],
  ["cel-expression=true", [{ experimental: { cel_expression: ["true"] } }], []],
];
for (const [query, white, black] of rows) {
  test(`"${query}" asks for ${JSON.stringify(white)} without ${JSON.stringify(black)}`, () => {
    assert.deepEqual(lists(query), { white, black });
  });
}

for (const [query, problem] of [
  ["verdict=LOST", /^RequestError: verdict "LOST": One of/],
  ["pod=a&from-pod=b&namespace=c", /cannot be combined/],
  ["reply=perhaps", /wanted true or false/],
  ["tcp-flags=SYN,OOPS", /no TCP flag "OOPS"/],
  ["drop-reason-desc=NO_SUCH_REASON", /NO_SUCH_REASON/],
] as const) {
  test(`"${query}" is refused in words`, () => assert.throws(() => lists(query), problem));
}
