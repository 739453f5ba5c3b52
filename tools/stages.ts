// Runs the stages of a check or test run one after another and counts what they did. The last line
// printed is "N passed, N failed, N skipped": a command counts as one test, a test file as its tests.
import { spawn } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, relative } from "node:path";
import { styleText } from "node:util";

export type Stage =
  | {
      readonly name: string;
      readonly command: readonly string[];
      /** The command itself ends with a line of counts: add those up instead of counting it as one. */
      readonly counted?: boolean;
    }
  | {
      readonly name: string;
      readonly tests: {
        readonly include: readonly string[];
        readonly exclude?: RegExp;
        /** Of those included. */
        readonly only?: RegExp;
        readonly pattern?: string;
      };
      /** Files in a few processes, not one each: quick, for unit tests that share nothing. */
      readonly shared?: boolean;
      /** How many files run at once, each in a process; 1 unless said. */
      readonly atOnce?: number;
    };

type Counts = { passed: number; failed: number; skipped: number };
type Tally = Counts & { readonly files?: readonly FileTime[] };
type FileTime = { readonly file: string; readonly seconds: number };

const root = join(import.meta.dirname, "..");
const sharedProcesses = 4;
/** Of the tests' own sources: they are parsed once, not in each of hundreds of processes. */
const compileCache = join(root, "dist/compile-cache");
const countsLine = /^(\d+) passed, (\d+) failed, (\d+) skipped$/;

/** Runs every stage, even after a failure, and sets the exit status. */
export async function run(stages: readonly Stage[]): Promise<void> {
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const failed: string[] = [];
  for (const stage of stages) {
    const begun = performance.now();
    const busyMs = busyTimeMs();
    console.log(styleText("bold", `==> ${stage.name}`));
    const counts = "command" in stage ? await runCommand(stage) : await runTests(stage);
    const tookMs = performance.now() - begun;
    const cores = ((busyTimeMs() - busyMs) / tookMs).toFixed(1);
    const took = `${(tookMs / 1000).toFixed(1)} s, ${cores} of ${cpus().length} cores busy`;
    console.log(`    ${stage.name}: ${line(counts)} (${took})`);
    if (counts.failed > 0) failed.push(stage.name);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    if (stage.name === "build" && counts.failed > 0) break;
  }
  if (failed.length > 0) console.log(styleText("red", `failed: ${failed.join(", ")}`));
  console.log(line(total));
  process.exitCode = total.failed > 0 ? 1 : 0;
}

/** Of all CPUs together, since the machine started. */
function busyTimeMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.sys + times.irq, 0);
}

const line = (counts: Counts) =>
  `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;

async function runCommand(stage: Extract<Stage, { command: readonly string[] }>): Promise<Counts> {
  const { status, lastLine } = await start(stage.command, stage.counted === true);
  const counted = stage.counted ? countsLine.exec(lastLine) : null;
  if (counted)
    return { passed: Number(counted[1]), failed: Number(counted[2]), skipped: Number(counted[3]) };
  return status === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/** Runs a command; its output goes through. With `capture`, its last line is kept (and, when counts, not printed). */
function start(
  command: readonly string[],
  capture: boolean,
): Promise<{ status: number; lastLine: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0] as string, command.slice(1), {
      cwd: root,
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
      stdio: ["ignore", capture ? "pipe" : "inherit", "inherit"],
    });
    let lastLine = "";
    let pending = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (pending + text).split("\n");
      pending = lines.pop() as string;
      for (const printed of lines) {
        lastLine = printed;
        if (!countsLine.test(printed)) console.log(printed);
      }
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ status: code ?? 1, lastLine }));
  });
}

async function runTests(stage: Extract<Stage, { tests: object }>): Promise<Counts> {
  const { include, exclude, only, pattern } = stage.tests;
  const files = globSync(include as string[], {
    cwd: root,
    exclude: (path) => path.endsWith("node_modules"),
  })
    .filter((path) => !exclude?.test(path) && (only?.test(path) ?? true))
    .filter((path) => !pattern || path.includes(pattern))
    .toSorted();
  if (files.length === 0) return { passed: 0, failed: pattern ? 1 : 0, skipped: 0 };
  if (!stage.shared) return runFiles(files, [`--test-concurrency=${stage.atOnce ?? 1}`]);
  // Some processes, each all of its files: where one's tests wait, for a timer or a peer, another's have work.
  const shards = Array.from({ length: sharedProcesses }, (_, shard) =>
    files.filter((_file, at) => at % sharedProcesses === shard),
  ).filter((shard) => shard.length > 0);
  const counts = await Promise.all(
    shards.map((shard) => runFiles(shard, ["--test-isolation=none"])),
  );
  return counts.reduce((sum, one) => ({
    passed: sum.passed + one.passed,
    failed: sum.failed + one.failed,
    skipped: sum.skipped + one.skipped,
  }));
}

async function runFiles(files: readonly string[], isolation: readonly string[]): Promise<Counts> {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-test-"));
  const tally = join(folder, "counts.json");
  const reporters = [
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=./tools/count-reporter.ts",
    `--test-reporter-destination=${tally}`,
  ];
  const { status } = await start(["node", "--test", ...isolation, ...reporters, ...files], false);
  const { files: times = [], ...counts } = JSON.parse(
    readFileSync(tally, "utf8") || '{"passed":0,"failed":1,"skipped":0}',
  ) as Tally;
  rmSync(folder, { recursive: true });
  printSlowest(times);
  // A crash outside any test fails the run without a failed test.
  if (status !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

const slowestShown = 12;

/** Where a run's time goes. */
function printSlowest(times: readonly FileTime[]): void {
  const slowest = times.toSorted((a, b) => b.seconds - a.seconds).slice(0, slowestShown);
  if (slowest.length < slowestShown) return;
  const shown = slowest.map(
    ({ file, seconds }) => `${relative(root, file)} ${Math.round(seconds)} s`,
  );
  console.log(`    slowest files: ${shown.join(", ")}`);
}
