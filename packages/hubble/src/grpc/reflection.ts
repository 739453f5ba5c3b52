// grpc.reflection: tells a client that has no .proto files what is served, so that grpcurl and the like work.
import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";

/** What both versions of the protocol ask. */
type Question =
  | { case: "fileByFilename" | "fileContainingSymbol" | "listServices"; value: string }
  | { case: "allExtensionNumbersOfType"; value: string }
  | { case: "fileContainingExtension"; value: { containingType: string } }
  | { case: undefined; value?: undefined };

/** Answers about these services, both versions of reflection itself and all that they use. */
export function reflectionRoutes(router: ConnectRouter, services: readonly DescService[]): void {
  const catalogue = new Catalogue([...services, ServerReflection, ServerReflectionAlpha]);
  router.service(ServerReflection, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        const { host, messageRequest } = request;
        const messageResponse = catalogue.answer(messageRequest);
        yield { validHost: host, originalRequest: request, messageResponse };
      }
    },
  });
  router.service(ServerReflectionAlpha, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        const { host, messageRequest } = request;
        const messageResponse = catalogue.answer(messageRequest);
        yield { validHost: host, originalRequest: request, messageResponse };
      }
    },
  });
}

class Catalogue {
  readonly #services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  /** By full name: services, methods, messages, enums and what is nested in them. */
  readonly #symbols = new Map<string, DescFile>();

  constructor(services: readonly DescService[]) {
    this.#services = services.map(({ typeName }) => typeName).toSorted();
    for (const { file } of services) this.#add(file);
  }

  #add(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, file);
    for (const service of file.services) {
      this.#symbols.set(service.typeName, file);
      for (const { name } of service.methods)
        this.#symbols.set(`${service.typeName}.${name}`, file);
    }
    for (const { typeName } of file.enums) this.#symbols.set(typeName, file);
    this.#addMessages(file.messages, file);
    for (const dependency of file.dependencies) this.#add(dependency);
  }

  #addMessages(messages: DescFile["messages"], file: DescFile): void {
    for (const message of messages) {
      this.#symbols.set(message.typeName, file);
      for (const { name } of message.fields) this.#symbols.set(`${message.typeName}.${name}`, file);
      for (const { typeName } of message.nestedEnums) this.#symbols.set(typeName, file);
      this.#addMessages(message.nestedMessages, file);
    }
  }

  answer(question: Question) {
    switch (question.case) {
      case "listServices": {
        const service = this.#services.map((name) => ({ name }));
        return { case: "listServicesResponse", value: { service } } as const;
      }
      case "fileByFilename":
        return this.#file(this.#files.get(question.value), question.value);
      case "fileContainingSymbol":
        return this.#file(this.#symbols.get(question.value), question.value);
      case "allExtensionNumbersOfType": {
        const known = this.#symbols.has(question.value);
        if (!known) return refusal(Code.NotFound, `no ${question.value}`);
        const value = { baseTypeName: question.value, extensionNumber: [] };
        return { case: "allExtensionNumbersResponse", value } as const;
      }
      case "fileContainingExtension":
        return refusal(Code.NotFound, `no extensions of ${question.value.containingType}`);
      case undefined:
        return refusal(Code.InvalidArgument, "no question");
    }
  }

  /** The file and all that it imports. */
  #file(file: DescFile | undefined, name: string) {
    if (file === undefined) return refusal(Code.NotFound, `no ${name}`);
    const files = new Set<DescFile>();
    collect(file, files);
    const fileDescriptorProto = [...files].map(({ proto }) =>
      toBinary(FileDescriptorProtoSchema, proto),
    );
    return { case: "fileDescriptorResponse", value: { fileDescriptorProto } } as const;
  }
}

function collect(file: DescFile, into: Set<DescFile>): void {
  if (into.has(file)) return;
  into.add(file);
  for (const dependency of file.dependencies) collect(dependency, into);
}

function refusal(errorCode: Code, errorMessage: string) {
  return {
    case: "errorResponse",
    value: { errorCode: errorCode as number, errorMessage },
  } as const;
}
