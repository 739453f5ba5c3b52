// Runs a test file against a cluster of either speed.
import { dirname } from "node:path";
import { AssertionError } from "node:assert";
import { Address } from "@tsilium/net";
import { TestError } from "../error.ts";
import { expectVerdict } from "../expect.ts";
import { namespace, pod } from "../manifests/pods.ts";
import { type Cluster, entities, type Entity, type Manifest, type Peer } from "../model.ts";
import { requestName, type RequestText } from "../l7/request.ts";
import { listOf, requestsOf } from "./load.ts";
import { expectations, type TestCase, type TestFile } from "./schema.ts";

/** What makes a cluster: testCluster or labCluster. */
export type MakeCluster = (options: {
  readonly manifests: readonly Manifest[];
  readonly folder: string;
  readonly settings: Readonly<Record<string, string>>;
}) => Promise<Cluster>;

export type TestResult = {
  readonly name: string;
  readonly passed: boolean;
  /** Why not: for people, several lines. */
  readonly message?: string;
  readonly durationMs: number;
};

export type FileResult = { readonly path: string; readonly results: readonly TestResult[] };

/** @throws TestError when the cluster cannot be made: bad manifests or policies, no lab */
export async function runTestFile(
  path: string,
  file: TestFile,
  makeCluster: MakeCluster,
): Promise<FileResult> {
  const settings = Object.entries(file.settings ?? {}).map(([key, value]) => [key, String(value)]);
  await using cluster = await makeCluster({
    manifests: [
      ...Object.entries(file.namespaces ?? {}).map(([name, labels]) =>
        namespace(name, labels ?? {}),
      ),
      ...(file.manifests ?? []),
      ...Object.entries(file.pods ?? {}).map(([name, description]) => pod(name, description ?? {})),
    ],
    folder: dirname(path),
    settings: Object.fromEntries(settings) as Record<string, string>,
  });
  const results: TestResult[] = [];
  for (const test of file.tests) results.push(await runTest(test, file, cluster));
  return { path, results };
}

async function runTest(test: TestCase, file: TestFile, cluster: Cluster): Promise<TestResult> {
  const started = performance.now();
  const failures: string[] = [];
  for (const from of listOf(test.from))
    for (const to of listOf(test.to))
      for (const port of listOf(test.port))
        for (const request of requestsOf(test)) {
          const failure = await runCase({ test, file, cluster }, { from, to, port, request });
          if (failure !== undefined) failures.push(failure);
        }
  const common = { name: nameOf(test), durationMs: performance.now() - started };
  return failures.length === 0
    ? { ...common, passed: true }
    : { ...common, passed: false, message: failures.join("\n\n") };
}

type Asked = {
  readonly from: string;
  readonly to: string;
  readonly port: number | string;
  readonly request: RequestText;
};

type Setting = { readonly test: TestCase; readonly file: TestFile; readonly cluster: Cluster };

/** Why it is not as expected; undefined when it is. */
async function runCase(
  { test, file, cluster }: Setting,
  { from, to, port, request }: Asked,
): Promise<string | undefined> {
  try {
    const source = peerOf(from, file, cluster);
    await expectVerdict(
      source.to(peerOf(to, file, cluster), port, request),
      expectations[test.expect],
      test.by,
    );
    return undefined;
  } catch (error) {
    if (error instanceof AssertionError || error instanceof TestError) return error.message;
    throw error;
  }
}

/** @throws TestError unknown_party */
function peerOf(text: string, { world = {} }: TestFile, cluster: Cluster): Peer {
  const address = world[text] ?? text;
  if (Address.tryParse(address)) return cluster.world(address);
  if (entities.includes(text as Entity)) return cluster.entity(text as Entity);
  if (text.includes("/")) return cluster.pod(text);
  throw new TestError(
    "unknown_party",
    `"${text}" is no pod (namespace/name), no address, no name under "world" and none of ${entities.join(", ")}`,
  );
}

function nameOf(test: TestCase): string {
  const { name, from, to, port, expect: expected } = test;
  const all = (value: TestCase["from"] | TestCase["port"]) =>
    listOf<string | number>(value).join(", ");
  const requests = requestsOf(test).flatMap((request) => requestName(request) ?? []);
  const asked = requests.length === 0 ? "" : ` ${requests.join(", ")}`;
  return name ?? `${all(from)} -> ${all(to)} ${all(port)}${asked}: ${expected}`;
}
