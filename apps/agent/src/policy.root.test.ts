// Policy from the API server to packets, on one node: pods start with it, it changes under them, and it outlives the
// agent.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type KubeObject, resources } from "@tsilium/kube";
import type { Explanation } from "@tsilium/policy";
import type { PolicyObjectView, RuleNumberView, SelectorView } from "./rest/policy-views.ts";
import type { eventView } from "./rest/monitor.ts";
import { Runtime, type TestPod } from "./testing/runtime.ts";

let runtime: Runtime;
before(async () => {
  runtime = await Runtime.up();
});
after(() => runtime[Symbol.asyncDispose]());
// What a failed test left must not fail the next.
afterEach(async () => {
  await runtime.clear();
  for (const name of created.splice(0)) await remove(name).catch(() => undefined);
});

const created: string[] = [];
const within = () => AbortSignal.timeout(10_000);

/** Waits until everything up to this object is in the kernel. */
async function inForce({ metadata }: KubeObject): Promise<void> {
  const path = `/v1/barrier?resourceVersion=${metadata.resourceVersion}`;
  const { status, body } = await runtime.node.get(path);
  assert.equal(status, 204, JSON.stringify(body));
}

/** Applies a NetworkPolicy on pods with a label app; resolves when it is in force. */
async function apply(name: string, app: string, spec: object): Promise<void> {
  const object = {
    metadata: { name, namespace: "default" },
    spec: { podSelector: { matchLabels: { app } }, ...spec },
  };
  const { client } = runtime.cluster;
  await inForce(await client.create(resources.networkPolicies, object, { signal: within() }));
  created.push(name);
}

async function remove(name: string): Promise<void> {
  const { client } = runtime.cluster;
  await client.delete(resources.networkPolicies, name, { namespace: "default", signal: within() });
  // Whatever is written after it is of a later version.
  const patch = { metadata: { annotations: { deleted: name } } };
  await inForce(
    await client.patch(resources.namespaces, "default", { type: "merge", patch, signal: within() }),
  );
}

async function added(labels: Record<string, string>): Promise<TestPod> {
  const pod = await runtime.pod(labels);
  await runtime.add(pod);
  return pod;
}

/** Whether pings of either family get there. */
async function reaches(from: TestPod, to: TestPod): Promise<string> {
  const addressing = (await runtime.endpointOf(to.id))?.addressing;
  const pings = [addressing?.ipv4, addressing?.ipv6].map(async (address) => {
    const { status } = await from.netns.exec("ping", ["-c1", "-W1", String(address)]);
    return status === 0 ? "yes" : "no";
  });
  return (await Promise.all(pings)).join(" ");
}

/** Waits until something is as it should be. */
async function becomes(read: () => Promise<unknown>, expected: unknown): Promise<void> {
  const until = within();
  let seen = await read();
  while (seen !== expected && !until.aborted) {
    await sleep(20);
    seen = await read();
  }
  assert.equal(seen, expected);
}

const from = (app: string) => ({
  ingress: [{ from: [{ podSelector: { matchLabels: { app } } }] }],
});
const isolated = { policyTypes: ["Ingress"] };

test("a policy is in force once the barrier is passed, and so is its end", async () => {
  const web = await added({ app: "web" });
  const cart = await added({ app: "cart" });
  assert.equal(await reaches(cart, web), "yes yes");
  await apply("isolated", "web", isolated);
  assert.equal(await reaches(cart, web), "no no");
  assert.equal(await reaches(web, cart), "yes yes");
  await apply("from-cart", "web", from("cart"));
  assert.equal(await reaches(cart, web), "yes yes");
  await remove("from-cart");
  assert.equal(await reaches(cart, web), "no no");
  await remove("isolated");
  assert.equal(await reaches(cart, web), "yes yes");
});

test("a pod starts with its policy in place, also one of an identity that nobody had", async () => {
  const cart = await added({ app: "cart" });
  const till = await added({ app: "till" });
  await apply("isolated", "fresh", from("cart"));
  const web = await added({ app: "fresh", unique: String(Math.random()) });
  assert.deepEqual([await reaches(cart, web), await reaches(till, web)], ["yes yes", "no no"]);
  const view = await runtime.endpointOf(web.id);
  assert.deepEqual([view?.policy?.ingress, view?.policy?.egress], ["enforcing", "disabled"]);
  const published = async () => {
    const options = { namespace: "default", signal: within() };
    const { client } = runtime.cluster;
    const object = await client.get(resources.ciliumEndpoints, web.name, options);
    return JSON.stringify(object.status?.policy);
  };
  const ingress = { enforcing: true, state: "enforcing" };
  const egress = { enforcing: false, state: "disabled" };
  await becomes(() => published().catch(() => undefined), JSON.stringify({ ingress, egress }));
});

test("pods that are the same share a subject, and labels that change make another", async () => {
  const first = await added({ app: "web" });
  const second = await added({ app: "web" });
  const cart = await added({ app: "cart" });
  const subject = async (pod: TestPod) => (await runtime.endpointOf(pod.id))?.policy?.subject;
  assert.equal(await subject(first), await subject(second));
  await apply("isolated", "secret", isolated);
  assert.equal(await reaches(cart, first), "yes yes");
  const change = { metadata: { labels: { app: "secret" } } };
  await inForce(
    await runtime.cluster.client.patch(resources.pods, first.name, {
      namespace: "default",
      type: "merge",
      patch: change,
      signal: within(),
    }),
  );
  assert.deepEqual([await reaches(cart, first), await reaches(cart, second)], ["no no", "yes yes"]);
  assert.notEqual(await subject(first), await subject(second));
});

test("in audit mode a pod is reached, and told of", async () => {
  const web = await added({ app: "web" });
  const cart = await added({ app: "cart" });
  await apply("isolated", "web", isolated);
  const annotations = { "policy.tsilium.io/enforcement": "audit" };
  const patch = (value: object) =>
    runtime.cluster.client.patch(resources.pods, web.name, {
      namespace: "default",
      type: "merge",
      patch: { metadata: { annotations: value } },
      signal: within(),
    });
  await inForce(await patch(annotations));
  const lines = runtime.node.stream("/v1/monitor");
  const first = lines.next();
  await sleep(100);
  assert.equal(await reaches(cart, web), "yes yes");
  assert.equal((await runtime.endpointOf(web.id))?.policy?.ingress, "audit");
  const event = JSON.parse((await first).value ?? "{}") as ReturnType<typeof eventView>;
  assert.deepEqual([event.kind, event.verdict], ["policy-verdict", "audit"]);
  assert.equal(event.rule?.name, "default deny of NetworkPolicy default/isolated");
  await lines.return(undefined);
  await inForce(await patch({ "policy.tsilium.io/enforcement": null }));
  assert.equal(await reaches(cart, web), "no no");
});

test("audit mode can be set for one endpoint by hand, and given back to annotations", async () => {
  const web = await added({ app: "web" });
  const cart = await added({ app: "cart" });
  await apply("isolated", "web", isolated);
  const endpoint = await runtime.endpointOf(web.id);
  const set = async (body: string) => {
    const path = `/v1/endpoint/${endpoint?.id}/config`;
    const socket = ["--unix-socket", `${runtime.node.runDir}/tsilium.sock`, `http://agent${path}`];
    const answer = ["-s", "-o", "/dev/null", "-w", "%{http_code}"];
    const options = [...answer, "-X", "PATCH", "-d", body, ...socket];
    const { stdout } = await runtime.node.netns.exec("curl", options);
    return stdout;
  };
  assert.equal(await set('{"PolicyAuditMode": "yes"}'), "400");
  assert.equal(await set('{"PolicyAuditMode": true}'), "200");
  await becomes(async () => (await runtime.endpointOf(web.id))?.policy?.ingress, "audit");
  assert.equal(await reaches(cart, web), "yes yes");
  assert.equal(await set('{"PolicyAuditMode": null}'), "200");
  await becomes(async () => (await runtime.endpointOf(web.id))?.policy?.ingress, "enforcing");
  assert.equal(await reaches(cart, web), "no no");
});

test("a drop names what causes it, and a verdict on request the rule that allows", async () => {
  const web = await added({ app: "web" });
  const cart = await added({ app: "cart" });
  const till = await added({ app: "till" });
  await apply("from-cart", "web", from("cart"));
  const lines = runtime.node.stream("/v1/monitor?verdicts=true");
  const first = lines.next();
  await sleep(100);
  await reaches(till, web);
  await reaches(cart, web);
  const events: ReturnType<typeof eventView>[] = [JSON.parse((await first).value ?? "{}")];
  const isAbout = (kind: string) => (event: (typeof events)[number]) =>
    event.kind === kind && event.rule !== undefined;
  while (!events.some(isAbout("drop")) || !events.some(isAbout("policy-verdict")))
    events.push(JSON.parse((await lines.next()).value ?? "{}"));
  await lines.return(undefined);
  const drop = events.find(isAbout("drop"));
  assert.equal(drop?.rule?.name, "default deny of NetworkPolicy default/from-cart");
  const names = events.filter(isAbout("policy-verdict")).map(({ rule }) => rule?.name);
  assert.ok(names.includes("NetworkPolicy default/from-cart spec.ingress[0]"), names.join());
});

test("the agent explains from what is in the kernel, lists objects, selectors and rules", async () => {
  const web = await added({ app: "web" });
  const cart = await added({ app: "cart" });
  await apply("from-cart", "web", from("cart"));
  const explain = async (...[who, whom, port]: string[]) => {
    const path = `/v1/policy/explain?from=${who}&to=${whom}&port=${port}`;
    return (await runtime.node.get<Explanation & { message?: string }>(path)).body;
  };
  const allowed = await explain(`default/${cart.name}`, `default/${web.name}`, "80/tcp");
  assert.equal(allowed.verdict, "allowed");
  assert.deepEqual(allowed.ingress.rules, [
    { kind: "NetworkPolicy", namespace: "default", name: "from-cart", path: "spec.ingress[0]" },
  ]);
  const denied = await explain("world", `default/${web.name}`, "http");
  assert.deepEqual(
    [denied.verdict, denied.ingress.defaultDenyBy[0]?.name],
    ["denied", "from-cart"],
  );
  assert.match(
    (await explain("default/nobody", "world", "80")).message ?? "",
    /no pod default\/nobody .*there are default\/pod-/,
  );
  const { body: objects } = await runtime.node.get<PolicyObjectView[]>("/v1/policy");
  assert.deepEqual(
    objects.map(({ kind, name, valid }) => `${kind} ${name} ${valid}`),
    ["NetworkPolicy from-cart true"],
  );
  const { body: selectors } = await runtime.node.get<SelectorView[]>("/v1/policy/selectors");
  assert.ok(selectors.some(({ selector }) => selector.includes("app=cart")));
  const { body: rules } = await runtime.node.get<RuleNumberView[]>("/v1/policy/rules");
  assert.ok(rules.some(({ name }) => name === "NetworkPolicy default/from-cart spec.ingress[0]"));
});

test("across a kill of the agent nothing forbidden passes and nothing allowed is lost", async () => {
  const web = await added({ app: "web" });
  const cart = await added({ app: "cart" });
  const till = await added({ app: "till" });
  await apply("from-cart", "web", from("cart"));
  const address = String((await runtime.endpointOf(web.id))?.addressing.ipv4);
  const flood = (pod: TestPod) =>
    pod.netns.exec("ping", ["-c", "700", "-i", "0.005", "-W1", address], { timeoutMs: 30_000 });
  const floods = [flood(cart), flood(till)];
  await sleep(200);
  await runtime.node.stop("SIGKILL");
  await runtime.node.start();
  await becomes(
    async () => (await runtime.endpoints()).every(({ state }) => state === "ready"),
    true,
  );
  const [allowed, forbidden] = await Promise.all(floods);
  assert.match(String(allowed?.stdout), / 0% packet loss/);
  assert.match(String(forbidden?.stdout), / 100% packet loss/);
  assert.deepEqual([await reaches(cart, web), await reaches(till, web)], ["yes yes", "no no"]);
  await remove("from-cart");
  assert.equal(await reaches(till, web), "yes yes");
});

test("an agent that does not know all policies adds no pod, and says what it waits for", async () => {
  await runtime.cluster.stopApi();
  await runtime.node.stop("SIGKILL");
  await runtime.node.start();
  // A container that is no pod needs nothing of the API server but policy.
  const { netns } = await stranger();
  const { status, output } = await runtime.node.cni("ADD", "stranger", { netns });
  assert.equal(status, 1);
  const failure = JSON.parse(output) as { code: number; msg: string; details: string };
  assert.equal(failure.code, 11, output);
  assert.match(failure.details, /the API server to tell all policies/);
  await runtime.cluster.startApi();
  await becomes(async () => (await runtime.node.cni("ADD", "stranger", { netns })).status, 0);
  assert.equal((await runtime.endpointOf("stranger"))?.policy?.ingress, "enforcing");
  await runtime.node.cni("DEL", "stranger", { netns });
});

async function stranger(): Promise<{ readonly netns: string }> {
  return { netns: runtime.cluster.topology.netns("stranger").path };
}

test("nothing of this was an error of the agent's", () => {
  assert.deepEqual(runtime.severeLogLines(), []);
});
