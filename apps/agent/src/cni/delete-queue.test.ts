import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createLog } from "@tsilium/runtime";
import { DeleteQueue } from "./delete-queue.ts";
import { replayDelete } from "./replay.ts";

const root = mkdtempSync(join(tmpdir(), "tsilium-queue-"));
after(() => rmSync(root, { recursive: true }));
const log = createLog({ level: "silent" });

function queueOf(files: Record<string, string>): string {
  const folder = mkdtempSync(join(root, "queue-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

test("queued DELs are replayed in the order they came, and are gone then", async () => {
  const folder = queueOf({
    "200-1.cni": "second",
    "100-9.cni": "first",
    ".7.draft": "half",
    lock: "",
  });
  const replayed: string[] = [];
  using queue = new DeleteQueue({
    folder,
    log,
    replay: async (body) => void replayed.push(Buffer.from(body).toString()),
  });
  assert.equal(await queue.drain(), 2);
  assert.deepEqual(replayed, ["first", "second"]);
  assert.deepEqual(readdirSync(folder).toSorted(), [".7.draft", "lock"]);
});

test("a DEL that fails stays for the next time and does not keep others waiting", async () => {
  const folder = queueOf({ "1-1.cni": "bad", "2-1.cni": "good" });
  using queue = new DeleteQueue({
    folder,
    log,
    replay: (body) =>
      Buffer.from(body).toString() === "bad"
        ? Promise.reject(new Error("later"))
        : Promise.resolve(),
  });
  assert.equal(await queue.drain(), 1);
  assert.deepEqual(readdirSync(folder), ["1-1.cni"]);
});

test("a queued request that makes no sense counts as done", async () => {
  const deleted: string[] = [];
  const commands = {
    delete: async ({ attachment }: { attachment: { containerId: string } }) =>
      void deleted.push(attachment.containerId),
  };
  const config = JSON.stringify({ cniVersion: "1.0.0", name: "tsilium" });
  const body = (command: string) =>
    Buffer.from(`CNI_COMMAND=${command}\0CNI_CONTAINERID=c1\0CNI_IFNAME=eth0\0\0${config}`);
  await replayDelete(commands, Buffer.from("garbage"), log);
  await replayDelete(commands, body("STATUS"), log);
  await replayDelete(commands, body("DEL"), log);
  assert.deepEqual(deleted, ["c1"]);
});
