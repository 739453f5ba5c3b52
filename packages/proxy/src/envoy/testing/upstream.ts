// Envoy's API as grpc-js-xds ships it: written down by others, so a source to compare ours with, and to read what we send.
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { ReflectionObject, Root, Type } from "protobufjs";

const require = createRequire(import.meta.url);
// What grpc-js-xds itself reads them with.
const plugin = createRequire(require.resolve("@grpc/grpc-js-xds"));
// (Loaded first: it teaches protobufjs google/protobuf/descriptor.proto.)
plugin("@grpc/proto-loader");
const loader = createRequire(plugin.resolve("@grpc/proto-loader"));
const protobufjs = loader("protobufjs") as typeof import("protobufjs");

const folder = join(dirname(require.resolve("@grpc/grpc-js-xds/package.json")), "deps");
export const upstreamFolders = ["envoy-api", "xds", "googleapis", "protoc-gen-validate"].map(
  (name) => join(folder, name),
);

/** Our own .proto files, by their paths: "envoy/config/core/v3/base.proto". */
export function ownFiles(): string[] {
  const proto = join(import.meta.dirname, "../proto");
  return readdirSync(proto, { recursive: true, encoding: "utf8" }).filter((path) =>
    path.endsWith(".proto"),
  );
}

/** Loads those files as grpc-js-xds has them. */
export function loadUpstream(files: readonly string[]): Root {
  const root = new protobufjs.Root();
  root.resolvePath = (_origin, target) =>
    upstreamFolders.map((base) => join(base, target)).find((path) => existsSync(path)) ?? target;
  root.loadSync([...files], { keepCase: true });
  root.resolveAll();
  return root;
}

export type { ReflectionObject, Root, Type };
