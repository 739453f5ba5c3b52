import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { L7Engine, ListenerRules, MovedConnection, ToProxy } from "@tsilium/proxy/model.ts";
import {
  adopt,
  findStarted,
  isRunning,
  launch,
  type RunningProcess,
  stop,
} from "@tsilium/proxy/launch/index.ts";
import { createLog } from "@tsilium/runtime";
import type { Acknowledgement } from "./model.ts";
import { Seat } from "./seat.ts";

type Update = Extract<ToProxy, { kind: "apply" }>;

/** An engine whose process does nothing, and which can be told to refuse. */
class Sleeper implements L7Engine {
  readonly direction = "egress";
  readonly updates: Update[] = [];
  readonly moves: (readonly MovedConnection[])[] = [];
  starts = 0;
  connections = 0;
  refuseStart: string | undefined;
  refuseApplies = 0;
  refuseMoves = 0;
  badPort = 0;
  process: RunningProcess | undefined;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get pidFile() {
    return join(this.#folder, "it.pid");
  }

  async start() {
    this.starts++;
    if (this.refuseStart) throw new Error(this.refuseStart);
    const { pidFile } = this;
    this.process =
      adopt({ pidFile, command: "/bin/sleep" }) ??
      (await launch({
        command: "/bin/sleep",
        args: ["1000"],
        pidFile,
        logFile: join(this.#folder, "log"),
      }));
  }

  apply(update: Update) {
    if (this.refuseApplies-- > 0) return Promise.reject(new Error("refused"));
    this.updates.push(update);
    return Promise.resolve(
      update.listeners
        .filter(({ port }) => port === this.badPort)
        .map(({ port }) => ({ port, reason: "bad rule" })),
    );
  }

  move(connections: readonly MovedConnection[]) {
    if (this.refuseMoves-- > 0) return Promise.reject(new Error("cannot move"));
    this.moves.push(connections);
    return Promise.resolve();
  }

  status() {
    if (!this.process) return Promise.reject(new Error("not started"));
    return Promise.resolve({
      engine: "sleeper",
      pid: this.process.pid,
      listeners: [],
      connections: this.connections,
      requests: { forwarded: 0, denied: 0, errors: 0 },
    });
  }

  [Symbol.asyncDispose]() {
    return Promise.resolve();
  }
}

function rules(port: number, version = 1): ListenerRules {
  return {
    port,
    version,
    ruleSet: {
      kind: "sni",
      direction: "egress",
      audit: false,
      denyRule: 1,
      rules: [{ rule: 2, match: { serverName: "*" } }],
    },
  };
}

const connection: MovedConnection = {
  protocol: 6,
  client: { address: "10.0.0.1", port: 1 },
  server: { address: "10.0.0.2", port: 80 },
  from: 10_512,
  to: 0,
};

function make({ idleMs = 60_000 } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-seat-"));
  const engine = new Sleeper(folder);
  const acks: Acknowledgement[] = [];
  const seats: Seat[] = [];
  const seat = () => {
    const made = new Seat({
      name: "engine-egress",
      engine,
      found: () => findStarted(engine.pidFile),
      prepare: () => undefined,
      onAcknowledged: (told) => acks.push(...told),
      log: createLog({ level: "fatal" }),
      idleMs,
    });
    seats.push(made);
    return made;
  };
  return {
    engine,
    acks,
    seat,
    until: async (condition: () => boolean) => {
      for (let tries = 0; !condition(); tries++) {
        assert.ok(tries < 300, `never happened: ${JSON.stringify([seats.at(-1)?.report(), acks])}`);
        await sleep(10);
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const made of seats) await made[Symbol.asyncDispose]();
      if (engine.process) await stop(engine.process, { signal: "SIGKILL" });
      rmSync(folder, { recursive: true });
    },
  };
}

const only = (port: number, version = 1) => ({
  whole: false,
  listeners: [rules(port, version)],
  removed: [],
});
const nothing = { whole: true, listeners: [], removed: [] };

test("a proxy starts on first need, and is told all there is before what changes", async () => {
  await using it = make();
  const seat = it.seat();
  seat.want(nothing);
  await sleep(30);
  assert.equal(it.engine.starts, 0);
  seat.want(only(10_512));
  seat.want(only(10_513));
  await it.until(() => seat.isSettled);
  seat.want({ whole: false, listeners: [rules(10_512, 2)], removed: [10_513] });
  await it.until(() => seat.isSettled);
  assert.deepEqual(
    it.engine.updates.map(({ whole, listeners, removed }) => [
      whole,
      listeners.map(({ port, version }) => `${port}/${version}`),
      removed,
    ]),
    [
      [true, ["10512/1", "10513/1"], []],
      [false, ["10512/2"], [10_513]],
    ],
  );
  assert.deepEqual(it.acks, [
    { port: 10_512, version: 1, problem: undefined },
    { port: 10_513, version: 1, problem: undefined },
    { port: 10_512, version: 2, problem: undefined },
  ]);
});

test("one that is killed is back within a second with everything it had", async () => {
  await using it = make();
  const seat = it.seat();
  seat.want({ ...nothing, listeners: [rules(10_512), rules(10_513)] });
  await it.until(() => seat.isSettled);
  const { pid } = it.engine.process as RunningProcess;
  const killedAt = performance.now();
  process.kill(pid, "SIGKILL");
  await it.until(() => seat.report().restarts === 1 && seat.isSettled);
  assert.ok(performance.now() - killedAt < 1_000);
  assert.notEqual(it.engine.process?.pid, pid);
  assert.deepEqual(
    it.engine.updates.at(-1)?.listeners.map(({ port }) => port),
    [10_512, 10_513],
  );
});

test("one that keeps ending is started less and less often", async () => {
  await using it = make();
  const seat = it.seat();
  seat.want({ ...nothing, listeners: [rules(10_512)] });
  const endBy = performance.now() + 1_000;
  while (performance.now() < endBy) {
    if (seat.state === "running" && it.engine.process && isRunning(it.engine.process))
      process.kill(it.engine.process.pid, "SIGKILL");
    await sleep(10);
  }
  // At once, after 0.2 s, 0.4 s.
  assert.ok(it.engine.starts >= 3 && it.engine.starts <= 5, String(it.engine.starts));
});

test("what cannot start is acknowledged as that at once, and takes over when it can", async () => {
  await using it = make();
  it.engine.refuseStart = "HAProxy was not found";
  const seat = it.seat();
  seat.want({ ...nothing, listeners: [rules(10_512)] });
  await it.until(() => it.acks.length === 1);
  assert.deepEqual(it.acks[0], { port: 10_512, version: 1, problem: "HAProxy was not found" });
  seat.want(only(10_513));
  await it.until(() => it.acks.length === 2);
  it.engine.refuseStart = undefined;
  await it.until(() => it.acks.length === 4);
  assert.deepEqual(
    it.acks.slice(2).map(({ problem }) => problem),
    [undefined, undefined],
  );
  assert.equal(seat.report().problem, undefined);
});

test("a listener that lets nothing through says why", async () => {
  await using it = make();
  it.engine.badPort = 10_513;
  const seat = it.seat();
  seat.want({ ...nothing, listeners: [rules(10_512), rules(10_513)] });
  await it.until(() => seat.isSettled);
  assert.deepEqual(
    seat.report().listeners.map(({ problem }) => problem),
    [undefined, "bad rule"],
  );
});

test("a listener whose secret went, or came, is told of without having been asked", async () => {
  await using it = make();
  const seat = it.seat();
  seat.want({ ...nothing, listeners: [rules(10_512), rules(10_513)] });
  await it.until(() => seat.isSettled);
  it.acks.splice(0);
  seat.noteProblems([{ port: 10_513, reason: "secret a/b is not there" }]);
  seat.noteProblems([{ port: 10_513, reason: "secret a/b is not there" }]);
  seat.noteProblems([]);
  assert.deepEqual(
    it.acks.map(({ port, problem }) => [port, problem]),
    [
      [10_513, "secret a/b is not there"],
      [10_513, undefined],
    ],
  );
});

test("one that does not take its rules is asked again, and ended after three times", async () => {
  await using it = make();
  const seat = it.seat();
  it.engine.refuseApplies = 2;
  seat.want({ ...nothing, listeners: [rules(10_512)] });
  await it.until(() => seat.isSettled);
  assert.equal(it.engine.starts, 1);
  it.engine.refuseApplies = 3;
  seat.want(only(10_513));
  await it.until(() => seat.isSettled && it.engine.starts === 2);
});

test("a process that an agent before left and that cannot be reached does not go on with its old rules", async () => {
  await using it = make();
  const first = it.seat();
  first.want({ ...nothing, listeners: [rules(10_512)] });
  await it.until(() => first.isSettled);
  await first[Symbol.asyncDispose]();
  const left = it.engine.process as RunningProcess;
  it.engine.refuseStart = "it does not answer";
  const second = it.seat();
  second.want({ ...nothing, listeners: [rules(10_512)] });
  await it.until(() => !isRunning(left));
  it.engine.refuseStart = undefined;
  await it.until(() => second.state === "running" && second.isSettled);
  assert.notEqual(it.engine.process?.pid, left.pid);
});

test("connections that cannot be moved are ended with their proxy", async () => {
  await using it = make();
  const seat = it.seat();
  seat.want({ ...nothing, listeners: [rules(10_512)] });
  await it.until(() => seat.isSettled);
  await seat.move([connection]);
  assert.deepEqual(it.engine.moves, [[connection]]);
  const before = it.engine.process as RunningProcess;
  it.engine.refuseMoves = 1;
  await seat.move([connection]);
  assert.ok(!isRunning(before));
  await it.until(() => seat.isSettled && it.engine.starts === 2);
});

test("the next agent adopts it, and it forgets what nobody wants any more", async () => {
  await using it = make();
  const first = it.seat();
  first.want({ ...nothing, listeners: [rules(10_512)] });
  await it.until(() => first.isSettled);
  const process = it.engine.process as RunningProcess;
  await first[Symbol.asyncDispose]();
  assert.ok(isRunning(process));
  const second = it.seat();
  second.want(nothing);
  await it.until(() => it.engine.updates.length === 2);
  assert.equal(it.engine.process?.pid, process.pid);
  assert.deepEqual(it.engine.updates[1]?.listeners, []);
  assert.equal(it.engine.updates[1]?.whole, true);
});

test("it ends when nobody has needed it for a while, and no connection is left", async () => {
  await using it = make({ idleMs: 50 });
  const seat = it.seat();
  seat.want({ ...nothing, listeners: [rules(10_512)] });
  await it.until(() => seat.isSettled);
  const process = it.engine.process as RunningProcess;
  it.engine.connections = 1;
  seat.want(nothing);
  await sleep(150);
  assert.ok(isRunning(process));
  it.engine.connections = 0;
  await it.until(() => !isRunning(process));
  assert.equal(seat.state, "idle");
  seat.want(only(10_512));
  await it.until(() => seat.isSettled && seat.state === "running");
});
