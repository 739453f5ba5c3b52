// `tsilium policy test DIR`: runs YAML test files of policies, against the compiler or in a lab. Exit status 1 when a
// test fails.
import { writeFileSync } from "node:fs";
import { type Command, Option } from "commander";
import type { TestFile } from "@tsilium/policy-test";
import { CommandError } from "../failure.ts";

type TestOptions = {
  readonly lab?: true;
  readonly nodes: string;
  readonly junit?: string;
  readonly output: "pretty" | "tap" | "json" | "yaml";
};

export function registerPolicyTest(policy: Command): void {
  policy
    .command("test")
    .description("run policy tests written in YAML: files called *.test.yaml")
    .argument("<path>", "a folder, or one file")
    .option("--lab", "with packets, in a lab for each file (root)")
    .option("--nodes <count>", "nodes of the lab", "2")
    .option("--junit <file>", "write a JUnit report as well")
    .addOption(
      new Option("-o, --output <format>", "how to print")
        .choices(["pretty", "tap", "json", "yaml"])
        .default("pretty"),
    )
    .addHelpText(
      "after",
      `
Examples:
  tsilium policy test docs/examples/policy-tests
  tsilium policy test . --lab --junit report.xml

A test file:
  manifests: [policies/*.yaml]
  pods:
    shop/frontend: { labels: { app: frontend } }
    shop/backend: { labels: { app: backend }, ports: { api: 9000 } }
  tests:
    - { name: the front reaches the back, from: shop/frontend, to: shop/backend, port: api, expect: allow }`,
    )
    .action(async (path: string, options: TestOptions) => {
      const results = await runAll(path, options);
      if (options.junit !== undefined) {
        const { junitReport } = await import("@tsilium/policy-test");
        writeFileSync(options.junit, junitReport(results));
      }
      process.stdout.write(await report(results, options.output));
      const failed = results.some((file) => file.results.some(({ passed }) => !passed));
      if (failed) process.exitCode = 1;
    });
  policy
    .command("probe", { hidden: true })
    .description("serve and reach, as told on stdin: what a lab's policy tests run inside pods")
    .action(async () => {
      const { runProbe } = await import("@tsilium/policy-test");
      await runProbe();
    });
}

type FileResults = Awaited<ReturnType<typeof runAll>>;

async function runAll(path: string, { lab, nodes }: TestOptions) {
  const library = await import("@tsilium/policy-test");
  const makeCluster: typeof library.testCluster = lab
    ? (options) => library.labCluster({ ...options, nodes: Number(nodes) })
    : library.testCluster;
  try {
    // All are read before any runs: a slip in the last is told at once.
    const files = library
      .findTestFiles(path)
      .map((file) => [file, library.loadTestFile(file)] as const);
    if (lab) refuseRequests(files);
    const results = [];
    for (const [file, tests] of files)
      results.push(await library.runTestFile(file, tests, makeCluster));
    return results;
  } catch (error) {
    if (!(error instanceof library.TestError)) throw error;
    throw new CommandError(error.message, hints[error.code], { cause: error });
  }
}

type LoadedFile = readonly [path: string, tests: TestFile];

/** Before minutes go by in labs. @throws CommandError for the first file with tests that no lab can run */
function refuseRequests(files: readonly LoadedFile[]): void {
  for (const [path, { tests }] of files) {
    const test = tests.find(({ http, dns, kafka, sni }) => http ?? dns ?? kafka ?? sni);
    if (!test) continue;
    const name = test.name === undefined ? "" : ` ("${test.name}")`;
    throw new CommandError(
      `${path} has tests of requests${name}, and a lab makes connections only`,
      "Without --lab the compiler judges requests as proxies do.",
    );
  }
}

const hints: Readonly<Record<string, string>> = {
  file_invalid: "docs/policy-testing.md says what a test file looks like.",
};

async function report(results: FileResults, output: TestOptions["output"]): Promise<string> {
  const { prettyReport, tapReport } = await import("@tsilium/policy-test");
  switch (output) {
    case "pretty":
      return prettyReport(results);
    case "tap":
      return tapReport(results);
    case "json":
      return `${JSON.stringify(results, undefined, 2)}\n`;
    case "yaml":
      return (await import("js-yaml")).dump(results, { noRefs: true });
  }
}
