// Questions to the server that have one answer.
import { noteUnauthorized } from "../state/connection.ts";
import { authorization } from "./token.ts";

export class AnswerError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "AnswerError";
    this.status = status;
  }
}

/** @throws AnswerError what the server says, or status 0 when it says nothing. */
export async function ask<T>(
  name: string,
  query: URLSearchParams,
  signal: AbortSignal,
): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`/api/${name}?${query}`, { headers: authorization(), signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new AnswerError(0, `the server does not answer (${(error as Error).message})`);
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok) return body as T;
  if (response.status === 401) noteUnauthorized();
  const said = (body as { error?: string } | undefined)?.error;
  throw new AnswerError(response.status, said ?? `the server says ${response.status}`);
}
