import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { emptyFlow, type Flow } from "@tsilium/hubble/model.ts";
import { flowUuid } from "@tsilium/hubble/history/index.ts";
import { createLog } from "@tsilium/runtime";
import { KeptHistory } from "./kept-history.ts";

const everything = {
  matcher: { matches: () => true, mayMatch: () => true },
  belowSequence: Number.MAX_SAFE_INTEGER,
  sinceNs: undefined,
  untilNs: undefined,
};

async function sequences(history: KeptHistory): Promise<number[]> {
  const batches = await Array.fromAsync(
    history.oldestFirst(everything, new AbortController().signal),
  );
  return batches.flat().map(({ sequence }) => sequence);
}

function flow(history: KeptHistory, sequence: number): Flow {
  const uuid = flowUuid(history.storeId, sequence);
  return { ...emptyFlow, sequence, uuid, timeNs: BigInt(sequence) };
}

test("a folder that cannot be used is a problem that is told, and is taken up once it can be", async () => {
  const parent = mkdtempSync(join(tmpdir(), "tsilium-kept-"));
  const folder = join(parent, "hubble");
  // In the place of the folder there is a file.
  writeFileSync(folder, "");
  const options = { folder, maxBytes: 1 << 20, dropsMaxBytes: 1 << 20, maxAgeMs: 3_600_000 };
  const history = await KeptHistory.open(options, createLog({ level: "silent" }));
  try {
    assert.match(history.problem ?? "", /^no history is kept: .*hubble/);
    assert.equal(history.status(), undefined);
    history.append([flow(history, 1)]);
    assert.deepEqual(await sequences(history), []);
    rmSync(folder);
    for (let tries = 0; history.problem !== undefined; tries++) {
      assert.ok(tries < 500, history.problem);
      await sleep(10);
    }
    history.append([flow(history, 2)]);
    assert.deepEqual(await sequences(history), [2]);
    assert.equal(history.lastSequence, 2);
  } finally {
    await history[Symbol.asyncDispose]();
    rmSync(parent, { recursive: true });
  }
});
