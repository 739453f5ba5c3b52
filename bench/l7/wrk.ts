// An HTTP server that answers at once (nginx) and a client that asks as fast as it can (wrk), on one CPU.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { withNetns } from "@tsilium/syscall";

const run = promisify(execFile);

/** CPU 0 takes most interrupts. Wake-ups across CPUs would hide everything else. */
export const cpu = "1";
export const originPort = 8080;
/** Of every request: a rule may ask for it. */
const header = "x-shop: web";

export type HttpLoad = {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly requests: number;
};

/** nginx in a namespace, on both families; resolves when it answers. */
export async function startOrigin(netns: string, folder: string): Promise<ChildProcess> {
  const file = join(folder, "origin.conf");
  writeFileSync(file, originConfig(folder));
  const origin = withNetns(netns, () =>
    spawn("taskset", ["-c", cpu, "nginx", "-c", file], { stdio: ["ignore", "ignore", "inherit"] }),
  );
  await answering(netns, `http://127.0.0.1:${originPort}/`);
  return origin;
}

/** Until something answers there with 200. @throws Error when nothing does for ten seconds */
export async function answering(netns: string, url: string): Promise<void> {
  let last = "";
  for (let tries = 0; tries < 100; tries++) {
    const args = ["-s", "-H", header, "-o", "/dev/null", "-w", "%{http_code}", "-m", "1", url];
    last = await withNetns(netns, () => ({ done: run("curl", args) })).done.then(
      ({ stdout }) => stdout,
      (error: Error) => error.message,
    );
    if (last === "200") return;
    await sleep(100);
  }
  throw new Error(`no answer from ${url}: ${last}`);
}

/** Ends a process; resolves when it has. */
export async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  await gone;
}

export type Asking = {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
};

/** Keep-alive requests. @throws Error when an answer was another than 200, or did not come */
export async function ask(netns: string, { url, connections, seconds }: Asking): Promise<HttpLoad> {
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--latency", "-H", header, url];
  const { stdout } = await withNetns(netns, () => ({
    done: run("taskset", ["-c", cpu, "wrk", ...args], { timeout: 60_000 }),
  })).done;
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${url}: ${stdout}`);
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    requests: Number(/(\d+) requests in/.exec(stdout)?.[1]),
    p50Us: inMicroseconds(/ 50%\s+(\S+)/.exec(stdout)?.[1] ?? ""),
  };
}

function inMicroseconds(text: string): number {
  const [, value, unit] = /^([\d.]+)(us|ms|s)$/.exec(text) ?? [];
  const factors: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1_000_000 };
  return Number(value) * (factors[unit ?? ""] ?? Number.NaN);
}

function originConfig(folder: string): string {
  return `
daemon off; worker_processes 1; pid ${folder}/origin.pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600;
  ${temporaryFolders(folder)}
  server {
    listen ${originPort}; listen [::]:${originPort};
    location / { return 200 "hello\\n"; }
  }
}`;
}

/** So that nothing of the machine's own nginx is touched. */
export function temporaryFolders(folder: string): string {
  return ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(" ");
}
