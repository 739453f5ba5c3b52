// An API server and the operators of a test.
import assert from "node:assert/strict";
import type { KubeClient } from "@tsilium/kube";
import { createLog } from "@tsilium/runtime";
import { startTestApi, type TestApi, type TestApiOptions } from "@tsilium/testkit/api-server.ts";
import { loadConfig } from "../config/config.ts";
import { type Operator, startOperator } from "../operator.ts";

const ranges = [
  "--cluster-pool-ipv4-cidr=10.244.0.0/22",
  "--cluster-pool-ipv6-cidr=fd00:10:244::/56",
];

export type Cluster = {
  readonly api: TestApi;
  readonly client: KubeClient;
  readonly signal: AbortSignal;
  /** Starts an operator; `stop` ends it as SIGTERM would. */
  readonly operate: (
    ...flags: string[]
  ) => Promise<Operator & { readonly stop: () => Promise<void> }>;
};

/** Gives the body a cluster, and ends all operators after it. */
export async function withCluster(
  body: (cluster: Cluster) => Promise<void>,
  options: TestApiOptions = {},
): Promise<void> {
  await using api = await startTestApi(options);
  const signal = AbortSignal.timeout(20_000);
  const running: (() => Promise<void>)[] = [];
  const operate = async (...flags: string[]) => {
    const stopping = new AbortController();
    const operator = await startOperator({
      client: api.connect(),
      config: loadConfig([...ranges, ...flags], {}),
      log: createLog({ level: "fatal" }),
      signal: stopping.signal,
    });
    const stop = async () => {
      stopping.abort(new Error("stopped"));
      await operator.stop();
    };
    running.push(stop);
    return { ...operator, stop };
  };
  try {
    await body({ api, client: api.client, signal, operate });
  } finally {
    await Promise.all(running.map((stop) => stop()));
  }
}

/** Until what is read is what is expected, for five seconds. */
export async function expectEventually<T>(read: () => Promise<T>, expected: T): Promise<void> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const found = await read();
    try {
      return assert.deepEqual(found, expected);
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
