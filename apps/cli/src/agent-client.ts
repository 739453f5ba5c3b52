// Speaks HTTP to an agent over its unix socket.
import type { IncomingMessage } from "node:http";
import { CommandError } from "./failure.ts";

// Not by import: that evaluates every export of node:http and loads undici with it, 80 ms (Node 26).
const { request } = process.getBuiltinModule("node:http");

/**
 * GETs a path and parses the answer.
 * @throws CommandError when the agent is away, or answers with an error (its message is passed on).
 */
export function getJson<T>(socket: string, path: string, signal?: AbortSignal): Promise<T> {
  return askJson<T>(socket, "GET", path, signal);
}

/** The same, with POST and no body. */
export function postJson<T>(socket: string, path: string): Promise<T> {
  return askJson<T>(socket, "POST", path);
}

/** The same, with DELETE. */
export function deleteJson<T>(socket: string, path: string): Promise<T> {
  return askJson<T>(socket, "DELETE", path);
}

async function askJson<T>(
  socket: string,
  method: string,
  path: string,
  signal?: AbortSignal,
): Promise<T> {
  const answer = await open(socket, path, { method, ...(signal ? { signal } : {}) });
  let text = "";
  for await (const chunk of answer.setEncoding("utf8")) text += chunk;
  if (answer.statusCode === 200) return JSON.parse(text) as T;
  throw new CommandError(messageOf(text) ?? `the agent answered ${answer.statusCode} to ${path}`);
}

/** GETs a path whose answer is a stream of JSON lines; ends when the signal fires or the agent goes away. */
export async function* getLines<T>(
  socket: string,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<T> {
  const answer = await open(socket, path, { signal });
  let pending = "";
  try {
    for await (const chunk of answer.setEncoding("utf8")) {
      const lines = (pending + chunk).split("\n");
      pending = lines.pop() as string;
      for (const line of lines) if (line) yield JSON.parse(line) as T;
    }
  } catch (error) {
    if (!signal.aborted) throw new CommandError("the agent went away", undefined, { cause: error });
  }
}

function open(
  socket: string,
  path: string,
  options: { readonly method?: string; readonly signal?: AbortSignal },
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({ socketPath: socket, path, ...options }, resolve)
      .on("error", (error: NodeJS.ErrnoException) => reject(away(socket, error)))
      .end();
  });
}

function away(socket: string, cause: NodeJS.ErrnoException): Error {
  const hints: Record<string, string> = {
    EACCES: "The socket belongs to root: run this as root.",
    ENOENT: "Is the agent running on this node?",
    ECONNREFUSED: "The agent has stopped, or is just starting: try again, then look at its log.",
  };
  return new CommandError(
    `cannot reach the agent at ${socket}: ${cause.message}`,
    hints[cause.code ?? ""],
    { cause },
  );
}

function messageOf(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}
