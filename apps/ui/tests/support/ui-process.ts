// The page's server as a process of its own, which can be killed.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { builtPage } from "./cluster.ts";

export type UiProcess = AsyncDisposable & {
  readonly url: string;
  /** SIGKILL; resolves when it is dead. */
  kill(): Promise<void>;
  /** Once more, on the same port. */
  start(): Promise<void>;
};

export async function startUiProcess(args: readonly string[]): Promise<UiProcess> {
  const page = await builtPage();
  let child: ChildProcess | undefined;
  let port = 0;
  const start = async () => {
    child = spawn(
      process.execPath,
      [
        join(import.meta.dirname, "../../src/main.ts"),
        "--listen",
        `127.0.0.1:${port}`,
        "--page-folder",
        page,
        ...args,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    port = await listening(child);
  };
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  await start();
  return {
    url: `http://127.0.0.1:${port}`,
    kill,
    start,
    [Symbol.asyncDispose]: kill,
  };
}

/** The port that its log tells. */
function listening(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      const found = /"url":"https?:\/\/[^"]*:(\d+)\/"/.exec(text);
      if (found) resolve(Number(found[1]));
    });
    child.once("exit", () => reject(new Error(`it ended: ${text}`)));
  });
}
