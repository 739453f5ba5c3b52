// From a policy's being written to its holding for the next request: of an open HTTP connection, and for a DNS question.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BenchLab } from "../lab/lab.ts";
import type { Section } from "../report.ts";
import { quantile } from "../statistics.ts";
import { startServer } from "./dns.ts";
import { egressDns, ingressHttp, type Pair, pairsOf, writePolicy } from "./pods.ts";
import { dnsProbe, httpProbe, type Probe, untilAnswered } from "./probe.ts";
import { ended, originPort, startOrigin } from "./wrk.ts";

export type L7EnforcedOptions = { readonly samples: number };

/** Of one write, milliseconds from its being sent. */
type Delay = { readonly acceptedMs: number; readonly enforcedMs: number };

type Trial = {
  readonly name: string;
  /** Lets the probe's request through, or does not. */
  readonly write: (isAllowed: boolean) => Promise<unknown>;
  readonly open: () => Probe;
};

const patienceMs = 10_000;
/** Between writes, so that one's work is over before the next. */
const pauseMs = 40;

export async function benchL7Enforced({ samples }: L7EnforcedOptions): Promise<Section[]> {
  await using parts = new AsyncDisposableStack();
  const lab = parts.use(await BenchLab.up({ nodes: 1 }));
  const [http, dns] = (await pairsOf(lab, ["http", "dns"])) as [Pair, Pair];
  const folder = mkdtempSync(join(tmpdir(), "tsi-bench-l7-"));
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  const origin = await startOrigin(http.server.netns, folder);
  parts.defer(() => ended(origin, "SIGQUIT"));
  const server = await startServer(dns.server.netns);
  parts.defer(() => void server.kill("SIGKILL"));
  const found = new Map<string, readonly Delay[]>();
  for (const trial of [dnsTrial(lab, dns), httpTrial(lab, http)])
    found.set(trial.name, await measure(lab, trial, samples));
  return [section(found, samples)];
}

function httpTrial(lab: BenchLab, pair: Pair): Trial {
  const rules = (isAllowed: boolean) => [{ path: isAllowed ? "/" : "/other" }];
  return {
    name: "HTTP: next request of an open connection",
    write: (isAllowed) =>
      writePolicy(lab, "http", ingressHttp("http", originPort, rules(isAllowed))),
    open: () => httpProbe(pair, originPort),
  };
}

function dnsTrial(lab: BenchLab, pair: Pair): Trial {
  const rules = (isAllowed: boolean) => [{ matchName: isAllowed ? "n0.bench.test" : "other.test" }];
  return {
    name: "DNS: next question",
    write: (isAllowed) => writePolicy(lab, "dns", egressDns("dns", rules(isAllowed))),
    open: () => dnsProbe(pair),
  };
}

async function measure(lab: BenchLab, { write, open }: Trial, samples: number): Promise<Delay[]> {
  await lab.force(async () => void (await write(true)));
  using probe = open();
  await untilAnswered(probe, true, patienceMs);
  const delays: Delay[] = [];
  for (let sample = 0; sample < samples; sample++) {
    const isAllowed = sample % 2 === 1;
    const sentAt = performance.now();
    const accepted = write(isAllowed).then(() => performance.now());
    await untilAnswered(probe, isAllowed, patienceMs);
    const enforcedMs = performance.now() - sentAt;
    delays.push({ acceptedMs: (await accepted) - sentAt, enforcedMs });
    await sleep(pauseMs * (0.5 + Math.random()));
  }
  return delays;
}

function section(found: ReadonlyMap<string, readonly Delay[]>, samples: number): Section {
  const ms = (values: readonly number[], fraction: number): string =>
    quantile(values, fraction).toFixed(1);
  return {
    title: "From a policy's being written to its holding at L7",
    note: `${samples} writes, one after the other, in a lab of one node, which let one request through and then not; milliseconds from a write's being sent. Accepted: the API server's answer has come. Enforced: a client that asks all the time is answered otherwise.`,
    columns: ["", "accepted p50", "enforced p50", "p90", "worst", "after accepted p50"],
    rows: [...found].map(([name, delays]) => {
      const enforced = delays.map(({ enforcedMs }) => enforcedMs);
      return [
        name,
        ms(
          delays.map(({ acceptedMs }) => acceptedMs),
          0.5,
        ),
        ms(enforced, 0.5),
        ms(enforced, 0.9),
        Math.max(...enforced).toFixed(1),
        ms(
          delays.map(({ acceptedMs, enforcedMs }) => enforcedMs - acceptedMs),
          0.5,
        ),
      ];
    }),
  };
}
