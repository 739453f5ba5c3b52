// Answers what the CNI plugin posts: decodes, waits for the agent to be ready, dispatches, formats.
import { setTimeout as sleep } from "node:timers/promises";
import {
  type AddRequest,
  type AddResult,
  answerVersion,
  attachmentKey,
  type CheckRequest,
  CniError,
  cniCode,
  type CniVersion,
  type CniRequest,
  type DeleteRequest,
  decodeRequest,
  formatError,
  formatPassedOn,
  formatResult,
  type GcRequest,
  type PassedOnResult,
} from "@tsilium/endpoint";
import type { Logger } from "@tsilium/runtime";
import type { Answer } from "../rest/router.ts";
import { toCniError } from "./errors.ts";
import { Turns } from "./turns.ts";

/** What carries the commands out. Every method is called for one attachment at a time. */
export type CniCommands = {
  add(request: AddRequest, signal: AbortSignal): Promise<AddResult | PassedOnResult>;
  /** Idempotent. Without the rest of the request (a GC) by what is known of the attachment alone. */
  delete(request: Pick<DeleteRequest, "attachment"> & Partial<DeleteRequest>): Promise<void>;
  check(request: CheckRequest): void | Promise<void>;
  /** @throws CniError 50 or 51 when ADD could not be served. */
  status(): void;
  /** Attachments of a network that are there and not in the list. */
  stale(request: GcRequest): readonly CniRequestAttachment[];
};
type CniRequestAttachment = AddRequest["attachment"];

export type CniServiceOptions = {
  /** Resolves with the commands once the agent can serve them. */
  readonly commands: Promise<CniCommands>;
  /** Why `commands` has not resolved yet. */
  readonly startingMessage: () => string;
  readonly log: Logger;
  readonly onServed?: (command: string, code: number, durationMs: number) => void;
};

/** An agent that starts is waited for, as long as a runtime is patient anyway. */
const startPatienceMs = 60_000;
/** An ADD that takes longer is undone: the plugin gives up at 110 s. */
const addPatienceMs = 90_000;

const stopPatienceMs = 10_000;

export class CniService {
  readonly #options: CniServiceOptions;
  readonly #turns = new Turns();
  #stopping = false;
  readonly #adding = new Map<string, AbortController>();

  constructor(options: CniServiceOptions) {
    this.#options = options;
  }

  /**
   * Refuses further commands (runtimes try again, and find the next agent) and lets those under way end, for
   * ten seconds at most.
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    const deadline = performance.now() + stopPatienceMs;
    while (this.#turns.size > 0 && performance.now() < deadline) await sleep(10);
  }

  /** The answer to a posted request; never throws. `signal` fires when the plugin goes away. */
  async answer(body: Uint8Array, signal: AbortSignal): Promise<Answer> {
    const startedAt = performance.now();
    let command = "unknown";
    let code = 0;
    let text: string;
    try {
      const request = decodeRequest(body);
      command = request.command;
      text = await this.#serve(request, signal);
    } catch (error) {
      const failure = toCniError(error);
      code = failure.code;
      text = formatError(failure, answerVersion(body));
      const level = code === cniCode.tryAgainLater || code < cniCode.internal ? "info" : "warn";
      this.#options.log[level]({ command, error: failure }, "a CNI command failed");
    }
    this.#options.onServed?.(command, code, performance.now() - startedAt);
    const exit = code === 0 ? "0" : "1";
    return {
      status: 200,
      text,
      headers: { "content-type": "application/json", "x-cni-exit": exit },
    };
  }

  async #serve(request: CniRequest, signal: AbortSignal): Promise<string> {
    const commands = await this.#ready(request.command, signal);
    if (this.#stopping) throw new CniError(cniCode.tryAgainLater, "the agent is stopping");
    switch (request.command) {
      case "ADD":
        return format(await this.#add(commands, request, signal), request.config.cniVersion);
      case "DEL":
        await this.#delete(commands, request);
        return "";
      case "CHECK":
        await this.#turns.take(attachmentKey(request.attachment), async () =>
          commands.check(request),
        );
        return "";
      case "STATUS":
        commands.status();
        return "";
      case "GC":
        await this.#collect(commands, request);
        return "";
    }
  }

  async #add(
    commands: CniCommands,
    request: AddRequest,
    gone: AbortSignal,
  ): Promise<AddResult | PassedOnResult> {
    const key = attachmentKey(request.attachment);
    return this.#turns.take(key, async () => {
      const aborted = new AbortController();
      this.#adding.set(key, aborted);
      try {
        const patience = AbortSignal.timeout(addPatienceMs);
        return await commands.add(request, AbortSignal.any([gone, patience, aborted.signal]));
      } finally {
        this.#adding.delete(key);
      }
    });
  }

  async #delete(
    commands: CniCommands,
    request: Parameters<CniCommands["delete"]>[0],
  ): Promise<void> {
    const key = attachmentKey(request.attachment);
    // A runtime that gave up on an ADD deletes; the ADD is cut short and undone before.
    this.#adding
      .get(key)
      ?.abort(new CniError(cniCode.tryAgainLater, "the container was deleted while it was added"));
    await this.#turns.take(key, () => commands.delete(request));
  }

  async #collect(commands: CniCommands, request: GcRequest): Promise<void> {
    const failures: string[] = [];
    for (const attachment of commands.stale(request)) {
      try {
        await this.#delete(commands, { attachment });
      } catch (error) {
        failures.push(`${attachmentKey(attachment)}: ${toCniError(error).message}`);
      }
    }
    if (failures.length === 0) return;
    throw new CniError(cniCode.internal, "some attachments could not be removed", {
      details: failures.join("; "),
    });
  }

  async #ready(command: string, signal: AbortSignal): Promise<CniCommands> {
    const { commands, startingMessage } = this.#options;
    const patienceMs = command === "STATUS" ? 0 : startPatienceMs;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), patienceMs);
    try {
      return await orAbort(commands, AbortSignal.any([signal, late.signal]));
    } catch (error) {
      if (signal.aborted || !late.signal.aborted) throw error;
      const code = command === "STATUS" ? cniCode.unavailable : cniCode.tryAgainLater;
      throw new CniError(code, "the agent is starting", { details: startingMessage() });
    } finally {
      clearTimeout(timer);
    }
  }
}

function format(result: AddResult | PassedOnResult, cniVersion: CniVersion): string {
  return "passedOn" in result
    ? formatPassedOn(result, cniVersion)
    : formatResult(result, cniVersion);
}

function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    promise.then(resolve, reject);
  });
}
