// Calls into a process that runs inside a network namespace, one message per call.
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { withNetns } from "@tsilium/syscall";
import { revive, toPlain } from "./plain.ts";

type Answer = { id: number; result?: unknown; error?: string };
type Waiting = { resolve: (value: unknown) => void; reject: (error: Error) => void };

/** What a process answers to commands of type `Commands`; every answer comes as a promise. */
export type Remote<Commands> = {
  readonly pid: number;
  readonly call: <K extends keyof Commands>(
    command: K,
    ...args: Commands[K] extends (...args: infer Args) => unknown ? Args : never
  ) => Promise<Commands[K] extends (...args: never[]) => infer Result ? Awaited<Result> : never>;
  /** SIGKILL, and wait for its end. */
  readonly kill: () => Promise<void>;
};

/** Forks `script` inside the namespace at `netns` (children start where the forking thread is). */
export function forkInside<Commands>(netns: string, script: string): Remote<Commands> {
  const child = withNetns(netns, () =>
    fork(script, { stdio: ["ignore", "inherit", "inherit", "ipc"], execArgv: [] }),
  );
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  child.on("message", (answer: Answer) => {
    const call = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.error === undefined) call?.resolve(revive(answer.result));
    else call?.reject(new Error(answer.error));
  });
  child.on("exit", () => {
    for (const { reject } of waiting.values()) reject(new Error("the process ended"));
    waiting.clear();
  });
  return {
    pid: child.pid ?? 0,
    call: (command, ...args) =>
      new Promise((resolve, reject) => {
        const id = ++lastId;
        waiting.set(id, { resolve: resolve as Waiting["resolve"], reject });
        child.send({ id, command, args: args.map(toPlain) });
      }),
    kill: () => ended(child),
  };
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}
