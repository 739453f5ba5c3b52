// Runs in a client pod. Asks what it is told to, a JSON object a line, and answers with one:
//
//   {"kind": "run", "command": ["curl", ...], "input": "..."}     -> {"status", "output"}       both streams
//   {"kind": "grpc", "target": "10.0.0.1:80", "method": "/a.B/C"} -> {"status", "details", "body"}
//   {"kind": "websocket", "url": "ws://..."}                      -> {"opened", "echoed"}
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";

export type Question =
  | { readonly kind: "run"; readonly command: readonly string[]; readonly input?: string }
  | { readonly kind: "grpc"; readonly target: string; readonly method: string }
  | { readonly kind: "websocket"; readonly url: string };

const patienceMs = 10_000;

for await (const line of createInterface({ input: process.stdin }))
  console.log(JSON.stringify(await answer(JSON.parse(line) as Question)));

function answer(question: Question): Promise<object> {
  switch (question.kind) {
    case "run":
      return run(question.command, question.input ?? "");
    case "grpc":
      return call(question.target, question.method);
    case "websocket":
      return talk(question.url);
  }
}

function run([command = "", ...args]: readonly string[], input: string): Promise<object> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { timeout: patienceMs, killSignal: "SIGKILL" });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.on("error", (error) => resolve({ status: 127, output: String(error) }));
    child.on("close", (code) => resolve({ status: code ?? 128, output }));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/** A unary call of a method that takes and answers bytes. */
function call(target: string, method: string): Promise<object> {
  const client = new grpc.Client(target, grpc.credentials.createInsecure());
  const bytes = (value: Buffer) => value;
  return new Promise((resolve) => {
    const deadline = Date.now() + patienceMs;
    const done = (error: grpc.ServiceError | null, value?: Buffer) => {
      client.close();
      resolve({
        status: grpc.status[error?.code ?? 0],
        details: error?.details ?? "",
        body: value === undefined ? "" : String(value),
      });
    };
    client.makeUnaryRequest(method, bytes, bytes, Buffer.from("hello"), { deadline }, done);
  });
}

function talk(url: string): Promise<object> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    const end = (opened: boolean, echoed = "") => {
      socket.close();
      resolve({ opened, echoed });
    };
    socket.onopen = () => socket.send("hello");
    socket.onmessage = ({ data }) => end(true, String(data));
    socket.onerror = () => end(false);
  });
}
