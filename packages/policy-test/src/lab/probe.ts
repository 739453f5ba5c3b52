// The probe that runs inside pods, nodes and the world (`tsilium policy probe`): serves ports, and tries to reach
// others, as it is told on stdin, until that ends.
import { execFile } from "node:child_process";
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import type { Numbered, ProbeAnswer, ProbeRequest } from "./probe-protocol.ts";

const resendMs = 200;

/** Answers requests from stdin on stdout. Resolves when stdin ends. */
export async function runProbe(): Promise<void> {
  const served = new Set<string>();
  for await (const line of createInterface({ input: process.stdin })) {
    const { number, ...request } = JSON.parse(line) as Numbered<ProbeRequest>;
    // Not awaited: requests are answered as they are done.
    void answer(request, served).then((done) =>
      process.stdout.write(`${JSON.stringify({ number, ...done })}\n`),
    );
  }
}

async function answer(request: ProbeRequest, served: Set<string>): Promise<ProbeAnswer> {
  try {
    if (request.kind === "serve") return await serve(request, served);
    if (request.protocol === "tcp") return await reachTcp(request);
    if (request.protocol === "udp") return await reachUdp(request);
    return await reachIcmp(request);
  } catch (error) {
    return { kind: "failed", message: (error as Error).message };
  }
}

type Serve = ProbeRequest & { readonly kind: "serve" };
type Reach = ProbeRequest & { readonly kind: "reach" };

async function serve(request: Serve, served: Set<string>): Promise<ProbeAnswer> {
  const key = `${request.protocol}/${request.port} ${request.address}`;
  if (!served.has(key)) {
    served.add(key);
    try {
      await (request.protocol === "tcp" ? serveTcp(request) : serveUdp(request));
    } catch (error) {
      // Somebody else serves it: the pod's own container.
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
  return { kind: "serving" };
}

function serveTcp({ port, address }: Serve): Promise<void> {
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket)).unref();
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen({ port, host: address ?? "::" }, resolve);
  });
}

/** A socket for each family, so that an answer leaves from the family it was asked in. */
async function serveUdp({ port, address }: Serve): Promise<void> {
  const wanted = address === undefined ? undefined : udpOf(address);
  for (const type of ["udp4", "udp6"] as const) {
    if (wanted !== undefined && wanted !== type) continue;
    const socket = createSocket({ type, ipv6Only: type === "udp6" }).unref();
    socket.on("message", (bytes, from) => socket.send(bytes, from.port, from.address));
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject).bind(port, address, resolve);
    });
    socket.on("error", () => {});
  }
}

/** A connection that is open has had a packet each way. */
function reachTcp({ address, port, timeoutMs }: Reach): Promise<ProbeAnswer> {
  const socket = connect({ host: address, port });
  return new Promise((resolve) => {
    const done = (reached: boolean, observed: string) => {
      clearTimeout(timer);
      socket.resetAndDestroy();
      resolve({ kind: "reached", reached, observed });
    };
    const timer = setTimeout(() => done(false, silence(timeoutMs)), timeoutMs);
    socket.once("connect", () => done(true, "connected"));
    socket.on("error", (error: NodeJS.ErrnoException) => done(false, refusal(error)));
  });
}

function reachUdp({ address, port, timeoutMs }: Reach): Promise<ProbeAnswer> {
  const socket: DatagramSocket = createSocket(udpOf(address));
  return new Promise((resolve) => {
    let resend: NodeJS.Timeout | undefined;
    const done = (reached: boolean, observed: string) => {
      clearTimeout(timer);
      clearInterval(resend);
      socket.close();
      resolve({ kind: "reached", reached, observed });
    };
    const timer = setTimeout(() => done(false, silence(timeoutMs)), timeoutMs);
    socket.once("message", () => done(true, "answered"));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.on("error", () => {});
      done(false, refusal(error));
    });
    // Connected, so that ICMP errors are heard of.
    socket.connect(port, address, () => {
      const send = () => socket.send("tsilium policy test");
      send();
      resend = setInterval(send, resendMs);
    });
  });
}

function udpOf(address: string): "udp4" | "udp6" {
  return address.includes(":") ? "udp6" : "udp4";
}

/** Node has no ICMP of its own. */
function reachIcmp({ address, timeoutMs }: Reach): Promise<ProbeAnswer> {
  const seconds = String(timeoutMs / 1000);
  return new Promise((resolve) => {
    execFile("ping", ["-n", "-c", "1", "-W", seconds, address], (error, stdout, stderr) => {
      const reached = error === null;
      const prohibited = /prohibited|filtered|unreachable/i.exec(stdout)?.[0];
      if (error && error.code !== 1) return resolve({ kind: "failed", message: `ping: ${stderr}` });
      const silent = prohibited ? `ICMP error: ${prohibited}` : silence(timeoutMs);
      return resolve({ kind: "reached", reached, observed: reached ? "answered" : silent });
    });
  });
}

function silence(timeoutMs: number): string {
  return `no answer within ${timeoutMs} ms`;
}

function refusal({ code, message }: NodeJS.ErrnoException): string {
  if (code === "ECONNREFUSED") return "refused";
  if (code === "EHOSTUNREACH" || code === "EACCES" || code === "ENETUNREACH")
    return `refused by an ICMP error (${code})`;
  return code ?? message;
}
