// The real command line, as processes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

export type Run = {
  readonly stdout: string;
  readonly stderr: string;
  /** undefined: a signal ended it. */
  readonly code: number | undefined;
};

export type Running = {
  readonly pid: number;
  readonly done: Promise<Run>;
  /** Resolves when stdout has this text. */
  shows(text: string): Promise<void>;
  /** Of one that is stuck: resolves when its stdout has taken all that it takes. */
  fills(): Promise<void>;
  /** Of one that is stuck: its reader goes. */
  hangUp(): void;
  kill(signal: NodeJS.Signals): void;
};

type RunOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Nobody reads its stdout. */
  readonly stuck?: true;
};

export type CommandLine = {
  /** Starts `hubble` as a process of its own, far from the user's configuration and from labs. */
  start(words: readonly string[], options?: RunOptions): Running;
  /** Runs it to its end. */
  run(words: readonly string[], options?: RunOptions): Promise<Run>;
};

/** Bundles the command line as it ships into a folder: so it starts several times as fast as from its sources. */
export async function commandLine(folder: string): Promise<CommandLine> {
  const { rolldown } = await import("rolldown");
  const build = await rolldown({
    input: { hubble: join(import.meta.dirname, "../main.ts") },
    platform: "node",
    onLog: () => {},
  });
  await build.write({
    dir: folder,
    format: "esm",
    entryFileNames: "[name].mjs",
    chunkFileNames: "[name]-[hash].mjs",
  });
  await build.close();
  const main = join(folder, "hubble.mjs");
  return {
    start: (words, options) => start(main, words, options),
    run: (words, options) => start(main, words, options).done,
  };
}

export function start(
  main: string,
  words: readonly string[],
  { env = {}, stdin, stuck }: RunOptions = {},
): Running {
  const child = spawn(process.execPath, [main, ...words], {
    env: { PATH: process.env["PATH"], HOME: "/nonexistent", TSILIUM_LAB: "", ...env },
    stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  child.stdin?.end(stdin);
  let stdout = "";
  let stderr = "";
  const waiting = new Set<() => void>();
  child.stdout?.setEncoding("utf8");
  if (!stuck)
    child.stdout?.on("data", (text: string) => {
      stdout += text;
      for (const look of waiting) look();
    });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const done = new Promise<Run>((resolve) =>
    child.on("exit", (code) => {
      const end = () => resolve({ stdout, stderr, code: code ?? undefined });
      // A pipe that nobody reads never closes by itself.
      if (stuck) end();
      else child.once("close", end);
    }),
  );
  return {
    pid: child.pid as number,
    done,
    kill: (signal) => void child.kill(signal),
    async fills() {
      await once(child.stdout as NonNullable<typeof child.stdout>, "readable");
      // What a pipe holds is 64 KiB; the process has more to say.
      await setTimeout(300);
    },
    hangUp: () => void child.stdout?.destroy(),
    shows(text) {
      return new Promise((resolve, reject) => {
        const look = () => {
          if (!stdout.includes(text)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
        void done.then(() =>
          reject(new Error(`hubble ended before it showed "${text}": ${stdout}${stderr}`)),
        );
      });
    },
  };
}
