import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container, Pod } from "@tsilium/kube";
import { commandOf, ImageError } from "./image.ts";

const pod: Pod = {
  metadata: { name: "web", namespace: "demo" },
  spec: { nodeName: "node-1", containers: [] },
};
const programs = { echo: "/bin/echo-server", dns: ["/bin/node", "/dns.mjs"] };
const command = (container: Omit<Container, "name">) =>
  commandOf(pod, { name: "c", ...container }, { environment: { A: "1" }, programs }).argv.join(" ");

test("a command runs from the host, with its variables expanded, whatever the image", () => {
  assert.equal(command({ image: "nginx", command: ["sh", "-c"], args: ["$(A)"] }), "sh -c 1");
});

test("the echo image serves the declared ports", () => {
  const ports = [{ containerPort: 80 }, { containerPort: 53, protocol: "UDP" as const }];
  assert.equal(
    command({ image: "tsilium.io/echo:v1", ports }),
    "/bin/echo-server --pod web --namespace demo --node node-1 --ready-fd 3 tcp/80 udp/53",
  );
});

test("another image without a command is an error that says what to do", () => {
  assert.throws(
    () => command({ image: "nginx", args: ["x"] }),
    (error) =>
      error instanceof ImageError &&
      /"nginx" is not pulled.*give the container a command/.test(error.message),
  );
});
