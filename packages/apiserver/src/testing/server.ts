// An API server of its own for a test file, and a way to send it anything.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { Agent, request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPki, type Pki } from "../auth/pki.ts";
import type { TokenUser } from "../auth/user.ts";
import { ApiServer, type ApiServerOptions } from "../server.ts";

/**
 * JSON of a shape that the test knows. The one `any` of the project: tests reach deep into documents of every
 * kind, and a wrong guess fails the assertion it stands in.
 */
export type Body = { readonly [field: string]: any };

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly body: Body;
};

export type Call = {
  readonly body?: unknown;
  /** Sent as it is. */
  readonly raw?: string | Buffer;
  readonly contentType?: string;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: { readonly cert?: string; readonly key?: string };
};

const users: readonly TokenUser[] = [
  { token: "admin-token", name: "admin", groups: ["system:masters"] },
  { token: "agent-token", name: "agent", groups: ["tsilium:agents"] },
  { token: "operator-token", name: "operator", groups: ["tsilium:operators"] },
  { token: "node-token", name: "system:node:node-1", groups: ["system:nodes"] },
  { token: "nobody-token", name: "nobody", groups: [] },
];

/** What a test says of its server beyond what every test's has. */
export type TestServerOptions = Pick<
  ApiServerOptions,
  "admissions" | "audit" | "kubelet" | "nodePortRange"
>;

/** Where writing through to the disk costs nothing; durability has a test of its own. */
const memoryFolder = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

export class TestServer implements AsyncDisposable {
  /** What the server held to be its own fault; a test ends with none. */
  readonly faults: unknown[];
  readonly folder: string;
  readonly pki: Pki;
  server: ApiServer;
  readonly #agent = new Agent({ keepAlive: true });

  private constructor(parts: Home & { readonly server: ApiServer }) {
    this.folder = parts.folder;
    this.pki = parts.pki;
    this.server = parts.server;
    this.faults = parts.faults;
  }

  static async start(options: TestServerOptions = {}): Promise<TestServer> {
    const folder = mkdtempSync(join(memoryFolder, "tsilium-apiserver-"));
    const home = { folder, pki: await createPki(join(folder, "pki")), faults: [] };
    return new TestServer({ ...home, server: await open(home, options) });
  }

  /** Stops the server and starts another on the same store. */
  async restart(options: TestServerOptions = {}): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.server = await open(this, options);
  }

  /** Sends one request as the administrator, unless the call names another token. */
  async send(method: string, path: string, call: Call = {}): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const payload = call.raw ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    const token = call.token ?? (call.tls ? undefined : "admin-token");
    const request = httpsRequest(
      {
        host: "127.0.0.1",
        port: this.server.port,
        method,
        path,
        ca: this.pki.ca,
        // A certificate belongs to a connection, a token to a request.
        agent: call.tls ? false : this.#agent,
        ...call.tls,
        headers: {
          ...(token ? { Authorization: `Bearer ${token}` } : {}),
          ...(payload === undefined
            ? {}
            : {
                "Content-Type": call.contentType ?? "application/json",
                "Content-Length": Buffer.byteLength(payload),
              }),
          ...call.headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            body: parse(text) as Body,
          });
        });
      },
    );
    request.on("error", reject);
    request.end(payload);
    return promise;
  }

  /** POST that must succeed; answers the created object. */
  async create(path: string, body: unknown): Promise<Body> {
    const answer = await this.send("POST", path, { body });
    if (answer.status !== 201) throw new Error(`${answer.status}: ${answer.text}`);
    return answer.body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    await this.server[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true });
  }
}

/** What outlives a server. */
type Home = { readonly folder: string; readonly pki: Pki; readonly faults: unknown[] };

async function open({ folder, pki, faults }: Home, options: TestServerOptions): Promise<ApiServer> {
  return ApiServer.start({
    ...options,
    dataDir: folder,
    pki,
    listeners: [{ address: "127.0.0.1", port: 0 }],
    // Small, so that a test can fall out of it.
    windowCapacity: 200,
    tokens: users,
    onFault: (error) => faults.push(error),
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The smallest pod that is valid. */
export function pod(
  name: string,
  more: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, ...(more["metadata"] as object | undefined) },
    spec: { containers: [{ name: "c", image: "x" }], ...(more["spec"] as object | undefined) },
  };
}

export function configMap(name: string, metadata: object = {}): Record<string, unknown> {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, ...metadata }, data: { a: "1" } };
}

export const pods = "/api/v1/namespaces/default/pods";
export const configMaps = "/api/v1/namespaces/default/configmaps";
