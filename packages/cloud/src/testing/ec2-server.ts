// EC2's query API over HTTP: signed requests, XML answers, a budget of calls, faults on order.
//
//   AWS's client --POST, form, SigV4--> check --> throttle --> fault? --> action on the world --> XML
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { RateLimit } from "../rate-limit.ts";
import { actions } from "./actions.ts";
import { Ec2Fault } from "./fault.ts";
import { parseQuery, textOf, toXml } from "./query.ts";
import { type Account, checkSignature } from "./signature.ts";
import type { World } from "./world.ts";

export type Ec2ServerOptions = {
  readonly world: World;
  readonly account: Account;
  readonly region: string;
  /** Calls above it are answered RequestLimitExceeded; absent: none. */
  readonly limit?: { readonly perSecond: number; readonly burst: number };
};

/** What goes wrong with the next call of an action. */
export type OrderedFault =
  /** Answered instead of carried out. */
  | { readonly kind: "refuse"; readonly status: number; readonly code: string }
  /** Carried out, and the connection closed before the answer. */
  | { readonly kind: "lose-answer" }
  | { readonly kind: "delay"; readonly ms: number };

export type Call = { readonly action: string; readonly outcome: string; readonly body: string };

const version = "2016-11-15";
const largestBody = 1 << 20;

export class Ec2Server implements AsyncDisposable {
  /** Every request, in order of arrival. */
  readonly calls: Call[] = [];
  readonly #options: Ec2ServerOptions;
  readonly #server: Server;
  readonly #faults = new Map<string, OrderedFault[]>();
  readonly #limit: RateLimit | undefined;
  #throttled = 0;

  constructor(options: Ec2ServerOptions) {
    this.#options = options;
    this.#limit = options.limit && new RateLimit(options.limit);
    this.#server = createServer((request, response) => {
      void this.#serve(request, response).catch(() => response.destroy());
    });
  }

  /** Answers the URL. Port 0: any. */
  async listen(host = "127.0.0.1", port = 0): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, resolve);
    });
    return `http://${host}:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Has the next calls of an action go wrong, one after the other. */
  order(action: string, ...faults: readonly OrderedFault[]): void {
    this.#faults.set(action, [...(this.#faults.get(action) ?? []), ...faults]);
  }

  countOf(action: string): number {
    return this.calls.filter((call) => call.action === action).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request);
    const query = parseQuery(body);
    const action = textOf(query, "Action") ?? "";
    let lost = false;
    try {
      const { account, region, world } = this.#options;
      checkSignature(request, body, { account, region, nowMs: Date.now() });
      this.#throttle();
      const fault = this.#faults.get(action)?.shift();
      if (fault?.kind === "refuse") throw new Ec2Fault(fault.status, fault.code, "as ordered");
      if (fault?.kind === "delay") await sleep(fault.ms);
      if (textOf(query, "Version") !== version)
        throw new Ec2Fault(400, "NoSuchVersion", `The requested version is not ${version}`);
      const run = Object.hasOwn(actions, action) ? actions[action] : undefined;
      if (!run) throw new Ec2Fault(400, "InvalidAction", `The action ${action} is not valid`);
      const answer = run(world, query);
      lost = fault?.kind === "lose-answer";
      this.calls.push({ action, outcome: lost ? "lost" : "ok", body });
      if (lost) {
        response.destroy();
        return;
      }
      const inner = toXml({ requestId, ...(answer as object) });
      send(
        response,
        200,
        `<${action}Response xmlns="http://ec2.amazonaws.com/doc/${version}/">${inner}</${action}Response>`,
      );
    } catch (error) {
      const fault =
        error instanceof Ec2Fault ? error : new Ec2Fault(500, "InternalError", String(error));
      this.calls.push({ action, outcome: fault.code, body });
      const errors = toXml({ Errors: { Error: { Code: fault.code, Message: fault.message } } });
      send(
        response,
        fault.status,
        `<Response>${errors}<RequestID>${requestId}</RequestID></Response>`,
      );
    }
  }

  #throttle(): void {
    if (!this.#limit) return;
    const waitMs = this.#limit.reserve();
    if (waitMs === 0) return;
    // A bucket that is empty refuses, it does not run into debt.
    this.#limit.giveBack();
    this.#throttled++;
    throw new Ec2Fault(503, "RequestLimitExceeded", "Request limit exceeded.");
  }

  /** How many calls were refused for their rate. */
  get throttled(): number {
    return this.#throttled;
  }
}

const requestId = "59dbff89-35bd-4eac-99ed-be587EXAMPLE";

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > largestBody) throw new Error("request too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, status: number, xml: string): void {
  response.writeHead(status, { "content-type": "text/xml;charset=UTF-8" });
  response.end(`<?xml version="1.0" encoding="UTF-8"?>\n${xml}`);
}
