// Our .proto files say a part of what Envoy's say, and nothing else: every message, field, number, type and enum value is
// compared with the files that grpc-js-xds ships.
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { DescEnum, DescField, DescFile, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { loadUpstream, ownFiles, type Type } from "./testing/upstream.ts";

const gen = join(import.meta.dirname, "gen");
const ours: DescFile[] = [];
for (const path of globSync("**/*_pb.ts", { cwd: gen })) {
  const module = (await import(join(gen, path))) as Record<string, unknown>;
  const file = Object.entries(module).find(([name]) => name.startsWith("file_"))?.[1];
  ours.push(file as DescFile);
}
const upstream = loadUpstream(ownFiles());

test("every file of ours is one of Envoy's", () => {
  assert.equal(ours.length, ownFiles().length);
  assert(ours.length > 40);
});

const messages = ours.flatMap(({ messages: top }) => top.flatMap(withNested));
const enums = [
  ...ours.flatMap(({ enums: top }) => top),
  ...messages.flatMap(({ nestedEnums }) => nestedEnums),
];

function withNested(message: DescMessage): DescMessage[] {
  return [message, ...message.nestedMessages.flatMap(withNested)];
}

test("every field has Envoy's name, number, type and oneof", () => {
  let compared = 0;
  for (const message of messages) {
    const theirs = upstream.lookupType(message.typeName);
    const [own, other] = [
      message.fields.map(ourField),
      message.fields.map((field) => theirField(theirs, field.name)),
    ];
    assert.deepEqual(own, other, message.typeName);
    compared += own.length;
  }
  assert(compared > 250, `${compared} fields`);
});

function ourField(field: DescField): string {
  const type =
    field.fieldKind === "map"
      ? `map<string, ${field.message?.typeName}>`
      : (field.message?.typeName ??
        field.enum?.typeName ??
        ScalarType[field.scalar as ScalarType].toLowerCase());
  const repeated = field.fieldKind === "list" ? "repeated " : "";
  return `${field.oneof ? `${field.oneof.name}: ` : ""}${repeated}${type} ${field.name} = ${field.number}`;
}

function theirField(type: Type, name: string): string {
  const field = type.fields[name];
  if (!field) return `no field ${name}`;
  const target = field.resolvedType?.fullName.slice(1) ?? field.type;
  const shown = field.map ? `map<string, ${target}>` : target;
  const oneof = field.partOf ? `${field.partOf.name}: ` : "";
  return `${oneof}${field.repeated ? "repeated " : ""}${shown} ${field.name} = ${field.id}`;
}

test("every enum has all of Envoy's values", () => {
  assert(enums.length > 10);
  for (const own of enums)
    assert.deepEqual(ourValues(own), { ...upstream.lookupEnum(own.typeName).values }, own.typeName);
});

function ourValues({ values }: DescEnum): Record<string, number> {
  return Object.fromEntries(values.map(({ name, number }) => [name, number]));
}

test("services have Envoy's methods, streams and types", () => {
  const services = ours.flatMap((file) => file.services);
  assert.deepEqual(services.map(({ typeName }) => typeName).toSorted(), [
    "envoy.service.accesslog.v3.AccessLogService",
    "envoy.service.discovery.v3.AggregatedDiscoveryService",
  ]);
  for (const service of services) {
    for (const method of service.methods) {
      const theirs = upstream.lookupService(service.typeName).methods[method.name];
      theirs?.resolve();
      assert.deepEqual(
        {
          request: method.input.typeName,
          response: method.output.typeName,
          clientStreams:
            method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
          serverStreams:
            method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
        },
        {
          request: theirs?.resolvedRequestType?.fullName.slice(1),
          response: theirs?.resolvedResponseType?.fullName.slice(1),
          clientStreams: theirs?.requestStream ?? false,
          serverStreams: theirs?.responseStream ?? false,
        },
      );
    }
  }
});
