import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { peekResponse } from "@tsilium/hubble/codec/index.ts";
import { flowsOfFile } from "./input-file.ts";
import { flowsRequestMessage } from "./messages.ts";
import type { RequestJson } from "./request.ts";

/** A letter for each line: a flow of that second, "!" for a loss, "x" for what is broken. */
async function read(
  lines: string,
  request: RequestJson,
): Promise<{ seen: string; complaints: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), "hubble-input-"));
  const file = join(folder, "flows.json");
  const complaints: string[] = [];
  try {
    writeFileSync(file, [...lines].map(lineOf).join("\n"));
    const signal = new AbortController().signal;
    let seen = "";
    const message = flowsRequestMessage(request, []);
    for await (const response of flowsOfFile(file, message, {
      signal,
      complain: (text) => complaints.push(text),
    })) {
      const { kind, timeNs } = peekResponse(response);
      seen += kind === "flow" ? String(timeNs / 1_000_000_000n) : "!";
    }
    return { seen, complaints: complaints.map((text) => text.replace(file, "FILE")) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function lineOf(letter: string): string {
  if (letter === "x") return "{";
  const time = `1970-01-01T00:00:0${letter === "!" ? 5 : letter}Z`;
  const what =
    letter === "!"
      ? { lost_events: { source: "HUBBLE_RING_BUFFER", num_events_lost: "1" } }
      : { flow: { time, verdict: Number(letter) % 2 === 1 ? "DROPPED" : "FORWARDED" } };
  return JSON.stringify({ ...what, time, from_after_our_time: true });
}

const dropped: RequestJson = { whitelist: [{ verdict: ["DROPPED"] }] };

const rows: readonly (readonly [string, RequestJson, string, string])[] = [
  ["all", {}, "123!45", "123!45"],
  ["--all", { number: "18446744073709551615" }, "1234", "1234"],
  ["filters are for flows; losses are always told", dropped, "123!45", "13!5"],
  ["--first counts flows", { ...dropped, number: "2", first: true }, "1!2345", "1!3"],
  ["--last counts flows", { number: "2" }, "12!34!5", "4!5"],
  ["--last of fewer", { number: "9" }, "12!3", "12!3"],
  ["--last with filters", { ...dropped, number: "1" }, "12!34!56", "!5"],
  [
    "--since and --until, both included",
    { since: "1970-01-01T00:00:02Z", until: "1970-01-01T00:00:04Z" },
    "12345",
    "234",
  ],
  ["order is the file's", {}, "3142", "3142"],
];

for (const [name, request, lines, seen] of rows)
  test(`flows of a file: ${name}`, async () =>
    assert.deepEqual(await read(lines, request), { seen, complaints: [] }));

test("of broken lines the first few are told, and how many there are", async () => {
  const { seen, complaints } = await read("1x2xxx3", {});
  assert.equal(seen, "123");
  assert.equal(complaints.length, 4);
  assert.match(complaints[0] as string, /^line 2 of FILE is no flow: /);
  assert.equal(complaints[3], "4 lines of FILE are no flows");
});

test("more than --last can hold", async () => {
  await assert.rejects(read("1", { number: "1000001" }), {
    message: /is more than --input-file can hold/,
  });
});
