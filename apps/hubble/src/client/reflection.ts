// What `hubble reflect` asks: the descriptions of all services, and of what they refer to, each once.
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import {
  ServerReflection,
  ServerReflectionRequestSchema,
} from "@tsilium/hubble/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { createClient } from "@tsilium/hubble/grpc/index.ts";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { CommandError } from "../../../cli/src/failure.ts";
import type { Context } from "../commands/context.ts";
import { messageLine } from "../print/json-lines.ts";
import { askServer, type Server } from "./connect.ts";

type Question = MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"];

/** Services of gRPC itself, which every server has. */
const ofGrpc = /^grpc\./;

/** Prints a FileDescriptorProto a line. */
export async function printReflection(context: Context): Promise<void> {
  await askServer(context, async (server) => {
    const printed = new Set<string>();
    for (const service of await servicesOf(server)) {
      if (ofGrpc.test(service)) continue;
      await printFiles(server, { case: "fileContainingSymbol", value: service }, printed);
    }
  });
}

async function servicesOf(server: Server): Promise<string[]> {
  const answer = await ask(server, { case: "listServices", value: "*" });
  if (answer.case !== "listServicesResponse") throw unexpected(server, answer.case);
  return answer.value.service.map(({ name }) => name);
}

async function printFiles(server: Server, question: Question, printed: Set<string>): Promise<void> {
  const answer = await ask(server, question);
  if (answer.case !== "fileDescriptorResponse") throw unexpected(server, answer.case);
  for (const bytes of answer.value.fileDescriptorProto) {
    const file = fromBinary(FileDescriptorProtoSchema, bytes);
    if (printed.has(file.name)) continue;
    printed.add(file.name);
    process.stdout.write(messageLine(FileDescriptorProtoSchema, file));
    for (const name of file.dependency)
      if (!printed.has(name))
        await printFiles(server, { case: "fileByFilename", value: name }, printed);
  }
}

async function ask({ grpc, address }: Server, question: Question) {
  const client = createClient(ServerReflection, grpc.transport);
  const request = create(ServerReflectionRequestSchema, { messageRequest: question });
  for await (const { messageResponse } of client.serverReflectionInfo(once(request))) {
    if (messageResponse.case !== "errorResponse") return messageResponse;
    throw new CommandError(`${address}: ${messageResponse.value.errorMessage}`);
  }
  throw new CommandError(`${address} ended the call without an answer`);
}

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value;
}

function unexpected({ address }: Server, what: string | undefined): Error {
  return new CommandError(`${address} answered something else than asked: ${what ?? "nothing"}`);
}
