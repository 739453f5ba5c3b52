// A session with kubectl, as people have it, in a lab: what each command prints is compared with what Kubernetes prints.
// The same script for Debian's kubectl (1.20: SPDY, OpenAPI v2) and for a newer one where there is one (WebSockets, v3).
//
//   kubectl --> API server --> the lab's kubelet --> containers
//
// Names, addresses, ages and times differ from run to run: `plain` puts words in their place.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Kubectl } from "./kubectl.ts";
import { Lab, root } from "./harness.ts";

const kubectls = [
  {
    what: "Debian's kubectl",
    path: join(root, ".toolchain/debian/usr/bin/kubectl"),
    // Its checks on this side of the wire know Kubernetes' own OpenAPI alone.
    apply: ["--validate=false"],
  },
  { what: "a newer kubectl", path: "/usr/bin/kubectl", apply: [] },
].map((entry) => ({ ...entry, skip: !existsSync(entry.path) && `there is no ${entry.path}` }));

const web = (image: string, replicas = 2) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, labels: { app: web } }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{ name: echo, image: "${image}", ports: [{ containerPort: 8080 }] }]
`;
const talker = `
apiVersion: v1
kind: Pod
metadata: { name: talker }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - { name: a, image: sh, command: [sh, -c, "echo first; sleep 0.1; echo second >&2; sleep 0.1; echo third; sleep 1000"] }
    - { name: b, image: sh, command: [sh, -c, "echo run; [ -e /tmp/$HOSTNAME.$POD ] || { touch /tmp/$HOSTNAME.$POD; exit 3; }; rm /tmp/$HOSTNAME.$POD; sleep 1000"], env: [{ name: POD, valueFrom: { fieldRef: { fieldPath: metadata.uid } } }] }
`;
const daemon = `
apiVersion: v1
kind: List
items:
  - apiVersion: apps/v1
    kind: DaemonSet
    metadata: { name: daemon }
    spec:
      selector: { matchLabels: { app: daemon } }
      template:
        metadata: { labels: { app: daemon } }
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: c, image: tsilium.io/echo }] }
  - apiVersion: apps/v1
    kind: StatefulSet
    metadata: { name: named }
    spec:
      replicas: 2
      serviceName: named
      selector: { matchLabels: { app: named } }
      template:
        metadata: { labels: { app: named } }
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: c, image: tsilium.io/echo }] }
  - { apiVersion: v1, kind: Service, metadata: { name: named }, spec: { selector: { app: named }, ports: [{ port: 80, targetPort: 8080 }] } }
`;
const sum = `
apiVersion: batch/v1
kind: Job
metadata: { name: sum }
spec:
  completions: 2
  parallelism: 2
  template:
    spec: { restartPolicy: Never, containers: [{ name: c, image: sh, command: [echo, counted] }] }
`;

let lab: Lab;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tsilium-kubectl-"));
  for (const [name, text] of Object.entries({
    "web.yaml": web("tsilium.io/echo"),
    "web-server-side.yaml": web("tsilium.io/echo", 1),
    "talker.yaml": talker,
    "sum.yaml": sum,
    "sets.yaml": daemon,
  }))
    writeFileSync(join(folder, name), text);
  lab = await Lab.up({ nodes: 1, set: { "enable-hubble": "false" } });
});
after(async () => {
  rmSync(folder, { recursive: true });
  const down = await lab.down();
  assert.equal(down.status, 0, down.stderr);
});

describe("kubectl sessions", { concurrency: true }, () => {
  kubectls.forEach(({ what, path, apply, skip }, at) => {
    test(what, { skip, concurrency: true }, async (t) => {
      const namespace = `session-${at}`;
      const kubectl = new Kubectl({ path, lab: lab.name, namespace, folder });
      await kubectl.prints(["create", "namespace", namespace], `namespace/${namespace} created`);
      await Promise.all([
        t.test("rollouts", () => rollouts(kubectl, apply)),
        t.test("logs and commands", () => streams(kubectl, apply)),
        t.test("objects", () => objects(kubectl, apply)),
        t.test("sets", () => sets(kubectl, apply)),
      ]);
      await t.test("questions", () => questions(kubectl));
      await kubectl.prints(
        ["delete", "namespace", namespace, "--wait=false"],
        `namespace "${namespace}" deleted`,
      );
    });
  });
});

async function rollouts(kubectl: Kubectl, apply: readonly string[]): Promise<void> {
  const status = ["rollout", "status", "deployment/web", "--timeout=20s"];
  const rolledOut = /deployment "web" successfully rolled out\n$/;
  const watch = kubectl.watch(["get", "deployments", "-w", "--no-headers"]);
  await kubectl.prints(["apply", ...apply, "-f", "web.yaml"], "deployment.apps/web created");
  await kubectl.prints(status, rolledOut);
  await kubectl.prints(["apply", ...apply, "-f", "web.yaml"], "deployment.apps/web unchanged");
  await kubectl.prints(
    ["get", "deployment,replicaset,pods", "-l", "app=web"],
    `NAME                  READY   UP-TO-DATE   AVAILABLE   AGE
deployment.apps/web   2/2     2            2           AGE

NAME                       DESIRED   CURRENT   READY   AGE
replicaset.apps/web-HASH   2         2         2       AGE

NAME                 READY   STATUS    RESTARTS   AGE
pod/web-HASH-POD   1/1     Running   0          AGE
pod/web-HASH-POD   1/1     Running   0          AGE`,
  );
  await kubectl.prints(
    ["annotate", "deployment/web", "kubernetes.io/change-cause=the first"],
    "deployment.apps/web annotated",
  );
  await kubectl.prints(
    ["set", "image", "deployment/web", "echo=tsilium.io/echo:2"],
    "deployment.apps/web image updated",
  );
  await kubectl.prints(status, rolledOut);
  await kubectl.prints(
    ["rollout", "history", "deployment/web"],
    "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         the first\n2         the first\n",
  );
  await kubectl.prints(
    ["rollout", "history", "deployment/web", "--revision=2"],
    /Image:\s+tsilium\.io\/echo:2/,
  );
  await kubectl.prints(["rollout", "undo", "deployment/web"], "deployment.apps/web rolled back");
  await kubectl.prints(status, rolledOut);
  // Revision 1 is the newest now, as 3.
  await kubectl.prints(
    ["rollout", "history", "deployment/web"],
    "deployment.apps/web \nREVISION  CHANGE-CAUSE\n2         the first\n3         the first\n",
  );
  await kubectl.prints(["rollout", "restart", "deployment/web"], "deployment.apps/web restarted");
  await kubectl.prints(status, rolledOut);
  await kubectl.prints(["rollout", "pause", "deployment/web"], "deployment.apps/web paused");
  await kubectl.prints(["rollout", "resume", "deployment/web"], "deployment.apps/web resumed");
  await kubectl.prints(["scale", "deployment/web", "--replicas=3"], "deployment.apps/web scaled");
  await kubectl.prints(
    ["wait", "--for=condition=Available", "deployment/web", "--timeout=20s"],
    "deployment.apps/web condition met",
  );
  await kubectl.prints(status, rolledOut);
  const described = await kubectl.ok(["describe", "deployment", "web"]);
  for (const line of [
    /^Annotations: +deployment\.kubernetes\.io\/revision: 4$/m,
    /^Replicas: +3 desired \| 3 updated \| 3 total \| 3 available \| 0 unavailable$/m,
    /^ +Available +True +MinimumReplicasAvailable$/m,
    /^ +Progressing +True +NewReplicaSetAvailable$/m,
    /^NewReplicaSet: +web-\w+ \(3\/3 replicas created\)$/m,
    /Normal +ScalingReplicaSet .* deployment-controller +Scaled up replica set web-\w+ to 2/,
  ])
    assert.match(described, line);
  await forward(kubectl);
  // A watch prints every state that the object goes through.
  assert.match(await watch.stop(), /^web +0\/2 [^]*^web +2\/2 +2 +2 [^]*^web +3\/3 +3 +3 /m);
}

/** A port of this machine is one of a pod's, for as long as the command runs. */
async function forward(kubectl: Kubectl): Promise<void> {
  const forwarding = kubectl.watch(["port-forward", "deployment/web", ":8080"]);
  const [, port = ""] = await forwarding.until(/^Forwarding from 127\.0\.0\.1:(\d+) -> 8080$/m);
  const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
  assert.match(((await answer.json()) as { pod: string }).pod, /^web-/);
  await forwarding.stop();
}

async function streams(kubectl: Kubectl, apply: readonly string[]): Promise<void> {
  await kubectl.prints(["apply", ...apply, "-f", "talker.yaml"], "pod/talker created");
  await kubectl.prints(
    ["wait", "--for=condition=Ready", "pod/talker", "--timeout=20s"],
    "pod/talker condition met",
  );
  const a = ["talker", "-c", "a"];
  await kubectl.prints(["logs", ...a], "first\nsecond\nthird\n");
  await kubectl.prints(["logs", ...a, "--tail=1"], "third\n");
  await kubectl.prints(["logs", ...a, "--since=1h", "--limit-bytes=8"], "first\nse");
  await kubectl.prints(
    ["logs", ...a, "--timestamps", "--tail=1"],
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z third\n$/,
  );
  await kubectl.prints(["logs", "talker", "-c", "b", "-p"], "run\n");
  await kubectl.fails(
    ["logs", ...a, "-p"],
    /^Error from server \(BadRequest\): previous terminated container "a" in pod "talker" not found\n$/,
  );
  const following = kubectl.watch(["logs", "-f", ...a]);
  const shell = (script: string) => ["exec", ...a, "--", "sh", "-c", script];
  await kubectl.prints(shell("echo to the log > /proc/2/fd/1"), "");
  await following.until(/^to the log$/m);
  assert.equal(await following.stop(), "first\nsecond\nthird\nto the log\n");

  await kubectl.prints(shell("hostname; echo $((6 * 7))"), "talker\n42\n");
  const cat = ["exec", "-i", ...a, "--", "sh", "-c", "cat; echo problem >&2; exit 7"];
  const ended = await kubectl.run(cat, { input: "typed" });
  assert.deepEqual(
    [ended.status, ended.stdout, ended.stderr],
    [7, "typed", "problem\ncommand terminated with exit code 7\n"],
  );
  const much = "0123456789abcdef".repeat(65_536);
  const echoed = await kubectl.run(["exec", "-i", ...a, "--", "cat"], { input: much });
  assert.ok(echoed.stdout === much, `${echoed.stdout.length} of ${much.length} bytes came back`);
  await kubectl.fails(
    ["exec", ...a, "--", "/no/such"],
    /error executing command in container: cannot start \/no\/such: No such file or directory/,
  );
  await kubectl.fails(["exec", "nobody", "--", "ls"], /pods "nobody" not found/);
  // kubectl sends the size once the program runs.
  const patient =
    "for try in $(seq 100); do [ \"$(stty size)\" = '0 0' ] || break; sleep 0.1; done";
  const size = await kubectl.onTerminal(
    ["exec", "-it", ...a, "--", "sh", "-c", `${patient}; stty size; tty`],
    {
      rows: 24,
      columns: 99,
    },
  );
  assert.match(size, /24 99\r\n\/dev\/pts\/\d+\r\n/);
}

async function objects(kubectl: Kubectl, apply: readonly string[]): Promise<void> {
  await kubectl.prints(["apply", ...apply, "-f", "sum.yaml"], "job.batch/sum created");
  await kubectl.prints(
    ["create", "configmap", "settings", "--from-literal=mode=slow"],
    "configmap/settings created",
  );
  await kubectl.fails(
    ["create", "configmap", "settings"],
    /^(error: failed to create configmap|Error from server \(AlreadyExists\)): .*configmaps "settings" already exists\n$/,
  );
  await kubectl.prints(["label", "configmap", "settings", "a=b"], "configmap/settings labeled");
  await kubectl.fails(["label", "configmap", "settings", "a=c"], /'a' already has a value \(b\)/);
  for (const [type, patch] of [
    ["strategic", '{"data":{"mode":"strategic"}}'],
    ["merge", '{"data":{"mode":"merge"}}'],
    ["json", '[{"op":"replace","path":"/data/mode","value":"json"}]'],
  ] as const) {
    await kubectl.prints(
      ["patch", "configmap", "settings", "--type", type, "-p", patch],
      "configmap/settings patched",
    );
    await kubectl.prints(["get", "configmap", "settings", "-o", "jsonpath={.data.mode}"], type);
  }
  await kubectl.prints(["edit", "configmap", "settings"], "configmap/settings edited", {
    EDITOR: "sed -i s/json/edited/",
  });
  await kubectl.prints(["get", "configmap", "settings", "-o", "jsonpath={.data.mode}"], "edited");
  await kubectl.prints(
    ["get", "configmaps", "-l", "a=b", "-o", "custom-columns=NAME:.metadata.name"],
    "NAME\nsettings\n",
  );
  await serverSide(kubectl);
  await kubectl.prints(
    ["wait", "--for=condition=complete", "job/sum", "--timeout=20s"],
    "job.batch/sum condition met",
  );
  await kubectl.prints(
    ["get", "job", "sum", "--no-headers"],
    /^sum +(Complete +)?2\/2 +\S+ +\S+\n$/,
  );
  await kubectl.prints(["logs", "job/sum"], /^counted\n$/);
  const described = await kubectl.ok(["describe", "job", "sum"]);
  assert.match(
    described,
    /Pods Statuses: +0 (Running|Active \(0 Ready\)) \/ 2 Succeeded \/ 0 Failed/,
  );
  assert.match(described, /Normal +SuccessfulCreate .* job-controller +Created pod: sum-/);
  await kubectl.prints(["delete", "configmap", "settings"], 'configmap "settings" deleted');
  await kubectl.fails(
    ["get", "configmap", "settings"],
    /^Error from server \(NotFound\): configmaps "settings" not found\n$/,
  );
  await kubectl.prints(["delete", "job", "sum"], 'job.batch "sum" deleted');
}

/** Sets with a history, the Endpoints behind a service, a List, and a kustomization. */
async function sets(kubectl: Kubectl, apply: readonly string[]): Promise<void> {
  const status = (name: string) => ["rollout", "status", name, "--timeout=20s"];
  await kubectl.prints(
    ["apply", ...apply, "-f", "sets.yaml"],
    "daemonset.apps/daemon created\nstatefulset.apps/named created\nservice/named created\n",
  );
  await kubectl.prints(status("ds/daemon"), /daemon set "daemon" successfully rolled out\n$/);
  await kubectl.prints(["set", "image", "ds/daemon", "c=tsilium.io/echo:2"], /image updated\n$/);
  await kubectl.prints(status("ds/daemon"), /successfully rolled out\n$/);
  const history = (revisions: string) =>
    `daemonset.apps/daemon \nREVISION  CHANGE-CAUSE\n${revisions}`;
  await kubectl.prints(
    ["rollout", "history", "ds/daemon"],
    history("1         <none>\n2         <none>\n"),
  );
  await kubectl.prints(["rollout", "undo", "ds/daemon"], "daemonset.apps/daemon rolled back");
  await kubectl.prints(
    ["get", "ds", "daemon", "-o", "jsonpath={.spec.template.spec.containers[0].image}"],
    "tsilium.io/echo",
  );
  await kubectl.prints(status("ds/daemon"), /successfully rolled out\n$/);
  await kubectl.prints(
    ["rollout", "history", "ds/daemon"],
    history("2         <none>\n3         <none>\n"),
  );
  await kubectl.prints(
    status("sts/named"),
    /partitioned roll out complete: 2 new pods have been updated...\n$/,
  );
  await kubectl.prints(
    ["get", "pods", "-l", "app=named", "-o", "name"],
    "pod/named-0\npod/named-1\n",
  );
  const listed = kubectl.watch(["get", "endpoints", "named", "-w", "--no-headers"]);
  await listed.until(/^named +10\.244\.\d+\.\d+:8080,10\.244\.\d+\.\d+:8080 /m);
  await listed.stop();
  assert.match(
    await kubectl.ok(["describe", "service", "named"]),
    /^Endpoints: +10\.244\.\d+\.\d+:8080,10\.244\.\d+\.\d+:8080$/m,
  );
  await kubectl.fails(
    ["get", "pods", "--as=somebody"],
    /User "somebody" cannot list resource "pods"/,
  );
  await kubectl.fails(["get", "--raw", "/metrics"], /the server could not find the requested/);
  await kubectl.prints(
    ["delete", "-f", "sets.yaml"],
    /^daemonset\.apps "daemon" deleted.*\nstatefulset\.apps "named" deleted.*\nservice "named" deleted.*\n$/,
  );
}

/** Two managers of one field: the second is told, unless it insists. */
async function serverSide(kubectl: Kubectl): Promise<void> {
  const apply = (mode: string, ...more: string[]) => {
    const path = `shared-${mode}.json`;
    const metadata = { name: "shared" };
    kubectl.write(path, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { mode } });
    return ["apply", "--server-side", "--validate=false", "-f", path, ...more];
  };
  const applied = "configmap/shared serverside-applied";
  await kubectl.prints(apply("one", "--field-manager=one"), applied);
  await kubectl.fails(
    apply("two", "--field-manager=two"),
    /Apply failed with 1 conflict: conflict with "one".*\.data\.mode/s,
  );
  await kubectl.prints(apply("two", "--field-manager=two", "--force-conflicts"), applied);
  await kubectl.prints(["get", "configmap", "shared", "-o", "jsonpath={.data.mode}"], "two");
}

async function questions(kubectl: Kubectl): Promise<void> {
  await kubectl.prints(["auth", "can-i", "create", "pods"], "yes\n");
  const kinds = await kubectl.ok(["api-resources", "--no-headers", "-o", "name"]);
  for (const name of ["pods", "deployments.apps", "jobs.batch", "ciliumnetworkpolicies.cilium.io"])
    assert.ok(kinds.split("\n").includes(name), name);
  const explained = await kubectl.ok(["explain", "deployment.spec.strategy"]);
  assert.match(explained, /^ *rollingUpdate\s+<\S+>$/m);
  assert.match(explained, /^ *type\s+<\S+>$/m);
  await kubectl.fails(["top", "nodes"], /Metrics API not available/);
  await kubectl.prints(["get", "nodes", "--no-headers"], /^node-1 +Ready +<none> +\S+ +v\S+\n$/);
  const pod = await kubectl.ok(["describe", "pod", "talker"]);
  for (const line of [
    /^Status: +Running$/m,
    /^ +PodScheduled +True *$/m,
    /Normal +Scheduled .* default-scheduler +Successfully assigned session-\d\/talker to node-1/,
    /Normal +Started .* kubelet +Started container a/,
  ])
    assert.match(pod, line);
}
