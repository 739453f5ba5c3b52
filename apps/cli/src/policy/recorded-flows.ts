// Flows of the past for the commands that replay them: asked of a Hubble server as the `hubble` CLI does, or out of a file
// that it wrote with -o jsonpb.
import type { Command } from "commander";
import type { Flow } from "@tsilium/hubble/model.ts";
import { CommandError } from "../failure.ts";
import { printable } from "../output.ts";

export type FlowSource = {
  readonly since?: string;
  readonly until?: string;
  /** A file with flows; "-" is stdin. */
  readonly flows?: string;
  readonly server?: string;
};

export type Recorded = {
  /** Flows that happened and are not among those told. */
  readonly lost: number;
  /** Nodes whose flows are missing. */
  readonly unavailable: readonly string[];
};

/** Adds --since, --until, --flows and --server. */
export function withFlowSource(command: Command): Command {
  return command
    .option("--since <time>", "flows from then on: a duration before now (24h) or a moment")
    .option("--until <time>", "flows up to then")
    .option("--flows <file>", "flows of `hubble observe -o jsonpb`, not of a server; - for stdin")
    .option("--server <address>", "Hubble server; otherwise as `hubble` finds it");
}

export function hasFlowSource({ since, until, flows }: FlowSource): boolean {
  return since !== undefined || until !== undefined || flows !== undefined;
}

/**
 * Tells of every flow that may say who began a connection, of these namespaces' pods or, undefined, of all.
 * @throws CommandError
 */
export async function readFlows(
  source: FlowSource,
  namespaces: readonly string[] | undefined,
  onFlow: (flow: Flow) => void,
): Promise<Recorded> {
  const [{ toBinary }, { decodeFlowsResponse }, { GetFlowsRequestSchema }, { flowsRequestOf }] =
    await Promise.all([
      import("@bufbuild/protobuf"),
      import("@tsilium/hubble/codec/index.ts"),
      import("@tsilium/hubble/gen/observer/observer_pb.ts"),
      import("./flows-request.ts"),
    ]);
  const request = flowsRequestOf(source, namespaces, BigInt(Date.now()) * 1_000_000n);
  let lost = 0;
  const unavailable = new Set<string>();
  const take = (bytes: Uint8Array) => {
    const response = decodeFlowsResponse(bytes);
    if (response === undefined) return;
    if ("flow" in response) onFlow(response.flow);
    else if ("lost" in response) lost += response.lost.count;
    else if (isTrouble(response.nodeStatus.state))
      for (const name of response.nodeStatus.nodeNames) unavailable.add(name);
  };
  if (source.flows !== undefined) await fromFile(source.flows, request, take);
  else await fromServer(source, toBinary(GetFlowsRequestSchema, request), take);
  const recorded = { lost, unavailable: [...unavailable].toSorted() };
  complain(recorded);
  return recorded;
}

type Request = ReturnType<(typeof import("./flows-request.ts"))["flowsRequestOf"]>;

async function fromFile(
  path: string,
  request: Request,
  take: (bytes: Uint8Array) => void,
): Promise<void> {
  const { flowsOfFile } = await import("../../../hubble/src/observe/input-file.ts");
  const { signal } = new AbortController();
  const warn = (text: string) => void process.stderr.write(`warning: ${printable(text)}\n`);
  for await (const bytes of flowsOfFile(path, request, { signal, complain: warn })) take(bytes);
}

async function fromServer(
  { server }: FlowSource,
  request: Uint8Array,
  take: (bytes: Uint8Array) => void,
): Promise<void> {
  const [{ askServer }, { newContext }, { interruption }] = await Promise.all([
    import("../../../hubble/src/client/connect.ts"),
    import("../../../hubble/src/commands/context.ts"),
    import("../../../hubble/src/client/interrupt.ts"),
  ]);
  const context = newContext();
  if (server !== undefined) context.flags["server"] = server;
  const signal = interruption();
  await askServer(context, async ({ grpc }) => {
    const batches = grpc.streamBatches("/observer.Observer/GetFlows", request, signal);
    for await (const batch of batches) for (const bytes of batch) take(bytes);
  });
  // Half of the flows would make policies that break the other half.
  if (signal.aborted) throw new CommandError("interrupted before all flows were read");
}

/** relay.NodeState: NODE_UNAVAILABLE, NODE_ERROR. */
function isTrouble(state: number): boolean {
  return state === 2 || state === 4;
}

function complain({ lost, unavailable }: Recorded): void {
  if (lost > 0)
    process.stderr.write(`warning: ${lost} flows were lost and have no part in the answer\n`);
  if (unavailable.length > 0)
    process.stderr.write(
      `warning: flows of ${printable(unavailable.join(", "))} are missing: not available\n`,
    );
}
