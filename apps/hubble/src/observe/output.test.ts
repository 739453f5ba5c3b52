import assert from "node:assert/strict";
import { test } from "node:test";
import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { outputTo } from "./output.ts";

/** Takes its time. */
function slowReader(highWaterMark: number) {
  let text = "";
  const stream = new Writable({
    highWaterMark,
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      text += chunk;
      setTimeout(done, 5);
    },
  });
  return { stream, text: () => text };
}

test("the end waits for a slow reader, however little is left", { timeout: 5_000 }, async () => {
  const { stream, text } = slowReader(1_000);
  const output = outputTo(stream);
  void output.write("a");
  await sleep(1);
  void output.write("b");
  await output.end();
  assert.equal(text(), "ab");
  assert.equal(stream.writableLength, 0);
});

test("who writes more than is taken waits, and nothing is lost", { timeout: 5_000 }, async () => {
  const { stream, text } = slowReader(1_000);
  const output = outputTo(stream);
  const chunk = "x".repeat(70_000);
  const behind = output.write(chunk);
  assert.ok(behind);
  await behind;
  void output.write("y");
  await output.end();
  assert.equal(text(), `${chunk}y`);
});
