// A program's output, as much of it as is wanted, for as long as is allowed.
import { spawn } from "node:child_process";

export type RunOptions = {
  readonly signal: AbortSignal;
  /** Bytes kept; the program is ended when it has told as much. */
  readonly maxBytes: number;
  /** Path of the network namespace to run in; absent: ours. */
  readonly netns?: string | undefined;
};

/** What it printed. @throws Error with what it complained of when it failed and printed nothing */
export async function outputOf(
  [program = "", ...args]: readonly string[],
  { signal, maxBytes, netns }: RunOptions,
): Promise<string> {
  const [command, ...rest] = netns
    ? ["nsenter", `--net=${netns}`, "--", program, ...args]
    : [program, ...args];
  const child = spawn(command as string, rest, { stdio: ["ignore", "pipe", "pipe"], signal });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on("error", reject).on("close", resolve);
  let text = "";
  let complaint = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    if (text.length > maxBytes) child.kill("SIGKILL");
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    if (complaint.length < 2_000) complaint += chunk;
  });
  const status = await promise;
  if (text === "" && status !== 0)
    throw new Error(`${program}: ${complaint.trim() || `ended with ${status}`}`);
  return text;
}
