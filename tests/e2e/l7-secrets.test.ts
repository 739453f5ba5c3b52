// A Secret that a policy names reaches the server that it is for, and nothing else: it is looked for in all that the lab
// writes, answers and shows.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { json, text } from "node:stream/consumers";
import { processPid, run, until } from "./harness.ts";
import { L7Lab, policy, port } from "./l7/l7-lab.ts";

const canary = `c4n4ry${process.pid}never2be5een`;
let l7: L7Lab;

before(async () => {
  l7 = await L7Lab.up("l7s");
});
after(() => l7?.[Symbol.asyncDispose]());

/** The client's requests get a header whose value is a Secret's. */
const tagged = policy("tagged", {
  endpointSelector: { matchLabels: { app: "client" } },
  egress: [
    {
      toEndpoints: [{ matchLabels: { app: "server" } }],
      toPorts: [
        {
          ports: [{ port: String(port), protocol: "TCP" }],
          rules: {
            http: [
              {
                headerMatches: [
                  {
                    name: "x-token",
                    mismatch: "REPLACE",
                    secret: { namespace: "cilium-secrets", name: "token" },
                  },
                ],
              },
            ],
          },
        },
      ],
    },
  ],
});

const home = { apiVersion: "v1", kind: "Namespace", metadata: { name: "cilium-secrets" } };
const secret = (value: string) => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "token", namespace: "cilium-secrets" },
  stringData: { value },
});

/** What the server got. */
async function asked(): Promise<string> {
  return (await l7.exec("curl", "-sS", "-m", "3", "-H", "x-token: mine", l7.url("far", "/a")))
    .stdout;
}

test("a Secret's value is in the requests that a policy says, and follows the Secret", async () => {
  await l7.objects.create(home);
  await l7.objects.create(secret("first-value"));
  await l7.objects.create(tagged);
  await l7.objects.inKernels();
  await until("the server gets it", async () => /first-value/.test(await asked()));
  assert.doesNotMatch(await asked(), /mine/);
  await l7.objects.patch(secret(canary), { stringData: { value: canary } });
  await until("the server gets the new one", async () => (await asked()).includes(canary));
});

test("it is in no log, status, flow, answer, argument or file of agents and proxies", async () => {
  const folder = `/var/run/tsilium/lab/${l7.lab.name}`;
  const outputs = new Map<string, string>();
  for (const [name, args] of [
    ["status", ["--node", "node-1", "status", "-o", "json"]],
    ["status for people", ["--node", "node-1", "status"]],
    ["policy", ["--node", "node-1", "policy", "get", "-o", "json"]],
    ["policies", ["lab", "get", "ciliumnetworkpolicies", "-A", "-o", "yaml"]],
    ["events", ["lab", "get", "events", "-A", "-o", "yaml"]],
  ] as const)
    outputs.set(name, (await l7.lab.tsilium(args)).stdout);
  const flows = await run("./hubble", ["observe", "--last", "500", "-o", "json"], {
    env: { TSILIUM_LAB: l7.lab.name },
  });
  assert.match(flows.stdout, /"http"/);
  outputs.set("flows", flows.stdout);

  const socket = agentSocket(folder);
  const api = (await ask(socket, "/v1/openapi.json").then(json)) as {
    paths: Record<string, Record<string, object>>;
  };
  const paths = Object.entries(api.paths)
    .filter(([path, verbs]) => verbs["get"] && !path.includes("{") && !/monitor|barrier/.test(path))
    .map(([path]) => path);
  assert(paths.length > 10);
  for (const path of paths) outputs.set(path, await ask(socket, path).then(text));

  const agent = await processPid(l7.lab, "agent/node-1");
  const { pid = 0 } = await l7.proxy("node-1", "engine-egress");
  for (const process of [agent, pid])
    for (const file of ["cmdline", "environ"])
      outputs.set(`${process} ${file}`, readFileSync(`/proc/${process}/${file}`, "utf8"));

  let files = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    // The API server's own store is where Secrets are; programs and maps of the kernel are no files.
    if (!entry.isFile() || /store\.db|\/bpf\//.test(path)) continue;
    outputs.set(path, readFileSync(path, "latin1"));
    files++;
  }
  assert(files > 10);
  for (const form of [
    canary,
    Buffer.from(canary).toString("base64"),
    Buffer.from(canary).toString("hex"),
  ])
    for (const [name, output] of outputs)
      assert(!output.includes(form), `${name} holds the secret`);
});

test("without its Secret the rule lets nothing be tagged, and status names the Secret", async () => {
  await l7.objects.delete(secret(""));
  await until("status says so", async () => {
    const { stdout } = await l7.lab.tsilium(["--node", "node-1", "status", "-o", "json"]);
    return stdout.includes("cilium-secrets/token");
  });
  assert(!(await asked()).includes(canary));
});

function agentSocket(folder: string): string {
  const found = readdirSync(join(folder, "node-1"), { recursive: true, withFileTypes: true }).find(
    (entry) => entry.isSocket() && /^(agent|tsilium)\.sock$/.test(entry.name),
  );
  assert.ok(found, `no socket of the agent's in ${folder}/node-1`);
  return join(found.parentPath, found.name);
}

function ask(socketPath: string, path: string) {
  return new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
    get({ socketPath, path }, resolve).on("error", reject);
  });
}
