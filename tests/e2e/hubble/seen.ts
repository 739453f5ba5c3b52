// Flows of a lab as its users see them: what `hubble observe -o jsonpb` prints, once and as it goes on.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Lab, type Result, root, run } from "../harness.ts";

export type SeenEnd = {
  readonly ID?: number;
  readonly identity?: number;
  readonly namespace?: string;
  readonly labels?: readonly string[];
  readonly pod_name?: string;
  readonly workloads?: readonly { readonly name: string; readonly kind: string }[];
};
export type SeenPolicy = {
  readonly name: string;
  readonly namespace?: string;
  readonly kind: string;
  readonly labels?: readonly string[];
};
type Ports = { readonly source_port?: number; readonly destination_port?: number };
type Icmp = { readonly type?: number; readonly code?: number };
type SeenService = { readonly name: string; readonly namespace: string };

/** flow.Layer7. Numbers of 64 bits are text in protobuf's JSON; what is 0 or empty is left out. */
export type SeenL7 = {
  readonly type: "REQUEST" | "RESPONSE" | "SAMPLE";
  readonly latency_ns?: string;
  readonly http?: {
    readonly code?: number;
    readonly method?: string;
    readonly url?: string;
    readonly protocol?: string;
    readonly headers?: readonly { readonly key: string; readonly value?: string }[];
  };
  readonly dns?: {
    readonly query: string;
    readonly ips?: readonly string[];
    readonly ttl?: number;
    readonly cnames?: readonly string[];
    readonly observation_source?: string;
    readonly rcode?: number;
    readonly qtypes?: readonly string[];
    readonly rrtypes?: readonly string[];
  };
  readonly kafka?: {
    readonly error_code?: number;
    readonly api_version?: number;
    readonly api_key?: string;
    readonly correlation_id?: number;
    readonly topic?: string;
  };
};

/** flow.Flow in protobuf's JSON, as far as tests look at it. */
export type SeenFlow = {
  readonly time: string;
  readonly uuid: string;
  readonly verdict: string;
  readonly drop_reason?: number;
  readonly drop_reason_desc?: string;
  readonly IP?: {
    readonly source: string;
    readonly source_xlated?: string;
    readonly destination: string;
  };
  readonly l4?: {
    readonly TCP?: Ports & { readonly flags?: Readonly<Record<string, boolean>> };
    readonly UDP?: Ports;
    readonly ICMPv4?: Icmp;
    readonly ICMPv6?: Icmp;
  };
  readonly source?: SeenEnd;
  readonly destination?: SeenEnd;
  readonly Type: string;
  readonly node_name: string;
  readonly is_reply?: boolean;
  readonly event_type: { readonly type: number; readonly sub_type?: number };
  readonly source_service?: SeenService;
  readonly destination_service?: SeenService;
  readonly traffic_direction?: string;
  readonly trace_observation_point?: string;
  readonly trace_reason?: string;
  readonly sock_xlate_point?: string;
  /** A uint64: text in protobuf's JSON. */
  readonly socket_cookie?: string;
  readonly interface?: { readonly index: number; readonly name?: string };
  readonly l7?: SeenL7;
  /** Listener of the proxy that a flow went to. */
  readonly proxy_port?: number;
  readonly Summary?: string;
  readonly egress_allowed_by?: readonly SeenPolicy[];
  readonly ingress_allowed_by?: readonly SeenPolicy[];
  readonly egress_denied_by?: readonly SeenPolicy[];
  readonly ingress_denied_by?: readonly SeenPolicy[];
};

export type SeenLoss = {
  readonly source: string;
  /** A uint64: text in protobuf's JSON. */
  readonly num_events_lost: string;
};

/** observer.GetFlowsResponse. */
export type SeenResponse = {
  readonly flow?: SeenFlow;
  readonly lost_events?: SeenLoss;
  readonly node_status?: {
    readonly state_change: string;
    readonly node_names: readonly string[];
    readonly message?: string;
  };
  readonly node_name?: string;
  readonly time?: string;
};

/** `hubble WORDS...` against the lab's relay, unless they say otherwise. */
export function hubble(lab: Lab, ...words: readonly string[]): Promise<Result> {
  return run(join(root, "hubble"), words, { env: { TSILIUM_LAB: lab.name } });
}

/** `hubble observe ...`, oldest first; a failure fails the test. */
export async function observeAll(lab: Lab, ...words: readonly string[]): Promise<SeenResponse[]> {
  const { status, stdout, stderr } = await hubble(lab, "observe", "-o", "jsonpb", ...words);
  assert.equal(status, 0, `hubble observe ${words.join(" ")}: ${stderr}`);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as SeenResponse);
}

export async function observe(lab: Lab, ...words: readonly string[]): Promise<SeenFlow[]> {
  return flowsOf(await observeAll(lab, ...words));
}

export function flowsOf(responses: readonly SeenResponse[]): SeenFlow[] {
  return responses.flatMap(({ flow }) => (flow ? [flow] : []));
}

/** Lost events of these sources, together. */
export function lostIn(responses: readonly SeenResponse[], ...sources: string[]): number {
  return responses
    .flatMap(({ lost_events: lost }) => (lost && sources.includes(lost.source) ? [lost] : []))
    .reduce((sum, { num_events_lost }) => sum + Number(num_events_lost), 0);
}

/** `hubble observe --follow`, running beside a test until the block ends. */
export class Follower implements AsyncDisposable {
  readonly responses: SeenResponse[] = [];
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  /** States of nodes, and complaints: what it said to people. */
  told = "";

  constructor(lab: Lab, ...words: readonly string[]) {
    const command = ["observe", "--follow", "--debug", "-o", "jsonpb", ...words];
    this.#child = spawn(join(root, "hubble"), command, {
      cwd: root,
      env: { ...process.env, TSILIUM_LAB: lab.name },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { stdout, stderr } = this.#child;
    assert.ok(stdout && stderr);
    const lines = createInterface({ input: stdout });
    lines.on("line", (line) => this.responses.push(JSON.parse(line) as SeenResponse));
    stderr.setEncoding("utf8").on("data", (text: string) => (this.told += text));
    this.#closed = new Promise((resolve) => lines.once("close", () => resolve()));
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get flows(): SeenFlow[] {
    return flowsOf(this.responses);
  }

  /** "NODE_CONNECTED node-1 node-2", ... as they came. */
  get nodeStates(): string[] {
    return this.told
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => (JSON.parse(line) as SeenResponse).node_status)
      .flatMap((status) =>
        status ? [`${status.state_change} ${status.node_names.join(" ")}`] : [],
      );
  }

  /** Waits until it is so, for `patienceMs` at most. @returns whether it is */
  async until(condition: () => boolean, patienceMs = 10_000): Promise<boolean> {
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await sleep(20))
      if (condition()) return true;
    return condition();
  }

  /** As Ctrl-C does; resolves when all it printed is in `responses`. */
  async end(): Promise<void> {
    if (this.running) this.#child.kill("SIGINT");
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}
