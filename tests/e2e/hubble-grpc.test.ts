// Our gRPC and gRPC's own: Python's grpc (the C core) as a client of our server and as a server to our client, over a
// unix socket and over mutual TLS, with message definitions of its own (tests/peers/hubble_peer.py).
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  decodeFlowsResponse,
  encodeFlowResponse,
  encodeFlowsResponse,
  fieldMaskOf,
  flowToJson,
  flowsResponseToJson,
} from "@tsilium/hubble/codec/index.ts";
import { randomFlow, typicalFlow } from "../../packages/hubble/src/codec/testing/flows.ts";
import {
  type TestFiles,
  testAuthority,
} from "../../packages/hubble/src/grpc/testing/certificates.ts";
import { GetFlowsRequestSchema, Observer } from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { Peer } from "@tsilium/hubble/gen/peer/peer_pb.ts";
import {
  type ClientOptions,
  Code,
  type GrpcServer,
  connectTo,
  createClient,
  serveGrpc,
  stream,
} from "@tsilium/hubble/grpc/index.ts";
import type { Flow } from "@tsilium/hubble/model.ts";
import { seeded } from "@tsilium/testkit";
import { root, run } from "./harness.ts";
