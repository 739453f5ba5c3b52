// Routes that take long: CNI commands, events as they happen, the barrier.
import type { Late } from "../late.ts";
import { ApiError } from "./error.ts";
import { type NodeParts, now, type RoutesOptions, wholeNumber } from "./parts.ts";
import type { Answer, Route } from "./router.ts";
import * as schemas from "./schemas.ts";

const barrierPatienceMs = 30_000;

export function streamRoutes({ parts, cni }: RoutesOptions): Route[] {
  const also = (what: string) => ({
    in: "query" as const,
    description: `${what} too`,
    schema: { type: "boolean" },
  });
  const resourceVersion = {
    in: "query" as const,
    required: true,
    description: "resource version that the API server gave out",
    schema: { type: "string" },
  };
  const patienceMs = {
    in: "query" as const,
    description: "milliseconds after which what lags is told; 30000 at most",
    schema: { type: "integer" },
  };
  return [
    {
      method: "POST",
      path: "/v1/cni",
      summary: "a CNI command, as the plugin hands it on",
      request: {
        contentType: "application/x-tsilium-cni",
        description:
          "CNI_* variables as NAME=value, each ended by NUL, an empty one, then the plugin's stdin",
      },
      responses: {
        200: {
          description: "what the plugin prints; its exit status in X-CNI-Exit",
          contentType: "application/json",
        },
      },
      handle: ({ body, signal }) => cni.answer(body, signal),
    },
    {
      method: "GET",
      path: "/v1/monitor",
      summary: "drops, and what only audit mode lets through, as it happens",
      parameters: {
        trace: also("packets that are forwarded, and sockets' addresses that are translated"),
        verdicts: also("what policy lets through, at the first packet of a flow"),
      },
      responses: {
        200: { description: "one JSON object per line", contentType: "application/x-ndjson" },
      },
      handle: ({ parameters, signal }) => {
        const wanted = {
          trace: parameters["trace"] === "true",
          verdicts: parameters["verdicts"] === "true",
        };
        const lines = now(parts).monitor.lines(wanted, signal);
        return { status: 200, lines };
      },
    },
    {
      method: "GET",
      path: "/v1/barrier",
      summary: "waits until everything up to a resource version is in the kernel",
      parameters: { resourceVersion, patienceMs },
      responses: {
        204: { description: "it is" },
        504: { description: "not within that time; what lags", schema: schemas.lagSchema },
      },
      handle: ({ parameters, signal }) =>
        waitForBarrier(parts, {
          version: parameters["resourceVersion"] ?? "",
          patienceMs: wholeNumber(parameters["patienceMs"] ?? String(barrierPatienceMs), "time"),
          gone: signal,
        }),
    },
  ];
}

type BarrierCall = {
  readonly version: string;
  readonly patienceMs: number;
  readonly gone: AbortSignal;
};

async function waitForBarrier(
  parts: Late<NodeParts>,
  { version, patienceMs, gone }: BarrierCall,
): Promise<Answer> {
  if (!/^[0-9]{1,20}$/.test(version)) {
    throw new ApiError(400, "bad_request", `"${version}" is no resource version`);
  }
  const patience = AbortSignal.timeout(Math.min(patienceMs, barrierPatienceMs));
  const lags = await now(parts).barrier.pass(BigInt(version), AbortSignal.any([gone, patience]));
  if (lags.length === 0) return { status: 204 };
  const reasons = lags.map(({ name, message }) => `${name}: ${message}`).join("; ");
  return { status: 504, json: { message: `not settled: ${reasons}`, lags } };
}
