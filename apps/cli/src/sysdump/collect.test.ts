import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, type CollectOptions, type Task } from "./collect.ts";

async function run(tasks: readonly Task[], options: Partial<CollectOptions> = {}) {
  const files = new Map<string, string>();
  const reports = await collect({
    tasks,
    write: (name, content) => void files.set(name, Buffer.from(content).toString()),
    onDone: () => undefined,
    timeoutMs: 1_000,
    maxBytes: 1_000,
    signal: new AbortController().signal,
    ...options,
  });
  return { files, reports };
}

test("every task has its file or its reason, in their order, and no secret in either", async () => {
  const { files, reports } = await run(
    [
      { name: "json", read: () => ({ kind: "json", value: { password: "CANARY", n: 1n } }) },
      {
        name: "lines",
        read: async () => ({
          kind: "lines",
          text: '{"headers":["X: CANARY"]}\nplain token=CANARY\n',
        }),
      },
      { name: "text", read: () => ({ kind: "text", text: "x".repeat(2_000) }) },
      {
        name: "failed",
        read: () => {
          throw new Error("cannot: password=CANARY");
        },
      },
      { name: "silent", read: () => new Promise<never>(() => undefined) },
    ],
    { timeoutMs: 50 },
  );
  assert.equal(files.get("json"), '{\n "password": "<redacted>",\n "n": "1"\n}\n');
  assert.equal(files.get("lines"), '{"headers":["X: <redacted>"]}\nplain token=<redacted>\n');
  assert.equal(files.get("text")?.length, 1_000);
  assert.deepEqual(
    reports.map(
      ({ name, error, truncated }) => `${name} ${error ?? ""}${truncated ? "truncated" : ""}`,
    ),
    [
      "json ",
      "lines ",
      "text truncated",
      "failed cannot: password=<redacted>",
      "silent no answer in time",
    ],
  );
});

test("an interrupted dump ends", async () => {
  const stop = new AbortController();
  const task: Task = {
    name: "a",
    read: () => {
      stop.abort(new Error("interrupted"));
      return new Promise<never>(() => undefined);
    },
  };
  await assert.rejects(run([task, task], { signal: stop.signal }), /interrupted/);
});
