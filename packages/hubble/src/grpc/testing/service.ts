// A small Observer service for tests of both sides.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type MessageInitShape, create, toBinary } from "@bufbuild/protobuf";
import {
  type GetFlowsRequest,
  GetFlowsRequestSchema,
  GetFlowsResponseSchema,
  Observer,
} from "../../gen/observer/observer_pb.ts";
import {
  Code,
  ConnectError,
  type GrpcServer,
  type ServeOptions,
  type ServerStream,
  serveGrpc,
  stream,
} from "../index.ts";

export const flowsPath = "/observer.Observer/GetFlows";

export function flowsRequest(init: MessageInitShape<typeof GetFlowsRequestSchema>): Uint8Array {
  return toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, init));
}

/** An encoded response of about `size` bytes whose summary is `number`. */
export function numbered(number: number, size = 0): Uint8Array {
  const flow = { Summary: String(number), uuid: "x".repeat(size) };
  const responseTypes = { case: "flow", value: flow } as const;
  return toBinary(GetFlowsResponseSchema, create(GetFlowsResponseSchema, { responseTypes }));
}

/** Streams `number` flows, refuses one million, and with `follow` goes on until the signal. */
export async function numberedFlows(request: GetFlowsRequest, out: ServerStream): Promise<void> {
  if (request.number === 1_000_000n) throw new ConnectError("zu viel: 100% é\n", Code.OutOfRange);
  for (let number = 0; number < request.number; number++) await out.write(numbered(number));
  if (!request.follow) return;
  await new Promise((_, reject) =>
    out.signal.addEventListener("abort", () => reject(out.signal.reason as Error)),
  );
}

export type TestServer = AsyncDisposable & {
  readonly folder: string;
  readonly socket: string;
  readonly grpc: GrpcServer;
};

/** On a unix socket in a folder of its own, and on the other sockets. */
export async function serveTest(options: Partial<ServeOptions> = {}): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-grpc-"));
  const socket = join(folder, "hubble.sock");
  const grpc = await serveGrpc({
    routes: (router) =>
      router.service(Observer, {
        serverStatus: () => ({ version: "test", seenFlows: 7n }),
        getNodes: () => {
          throw new Error("a secret");
        },
      }),
    streams: [stream(Observer.method.getFlows, numberedFlows)],
    ...options,
    sockets: [{ unix: socket }, ...(options.sockets ?? [])],
  });
  return {
    folder,
    socket,
    grpc,
    async [Symbol.asyncDispose]() {
      await grpc.close({ graceMs: 200 });
      rmSync(folder, { recursive: true });
    },
  };
}
