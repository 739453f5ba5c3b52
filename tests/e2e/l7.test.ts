// Policy at L7 as its users meet it: what rules say holds between pods of one node and of two, over both families; what was
// judged is seen; and neither an agent's nor a proxy's end lets anything through that the rules do not allow.
//
//   node-1: client, near     node-2: far     world
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isAgentWell, killProcess, processPid, until } from "./harness.ts";
import { observe } from "./hubble/seen.ts";
import {
  clientMayAsk,
  type Family,
  L7Lab,
  policy,
  type Server,
  serversAllow,
} from "./l7/l7-lab.ts";

const servers: readonly Server[] = ["near", "far"];
const families: readonly Family[] = [4, 6];
const nodeOf = { near: "node-1", far: "node-2" } as const;

let l7: L7Lab;

/** An object for as long as a test lasts. */
async function having(objects: readonly Parameters<L7Lab["objects"]["create"]>[0][]) {
  for (const object of objects) await l7.objects.create(object);
  await l7.objects.inKernels();
  return {
    [Symbol.asyncDispose]: async () => {
      for (const object of objects) await l7.objects.delete(object);
      await l7.objects.inKernels();
    },
  };
}

const readOnly = [{ method: "GET", path: "/public/.*" }];

describe("in a lab", () => {
  before(async () => {
    l7 = await L7Lab.up("l7");
  });
  after(() => l7?.[Symbol.asyncDispose]());

  test("nothing runs that no policy needs", async () => {
    for (const node of ["node-1", "node-2"]) assert.deepEqual(await l7.proxies(node), []);
  });

  for (const side of ["ingress", "egress", "both sides"] as const)
    test(`HTTP rules on ${side}: what they allow is answered, what they do not is refused`, async () => {
      const objects = [
        ...(side === "egress" ? [] : [serversAllow("servers", readOnly)]),
        ...(side === "ingress" ? [] : [clientMayRead("client", readOnly)]),
      ];
      await using _ = await having(objects);
      for (const server of servers)
        for (const family of families) {
          const what = `${server} IPv${family}`;
          assert.equal(await l7.code(server, "/public/a", { family }), "200", what);
          assert.equal(await l7.code(server, "/private", { family }), "403", what);
          assert.equal(await l7.code(server, "/public/a", { family, method: "PUT" }), "403", what);
          const { pod, client } = await l7.asked(server, "/public/a", family);
          assert.equal(pod, server);
          assert.equal(client, l7.address("client", family), "the server sees the client");
        }
    });

  test("requests are flows, and those that were refused name the policy", async () => {
    await using _ = await having([serversAllow("seen", readOnly)]);
    const path = `/secret-${Date.now()}`;
    assert.equal(await l7.code("far", path), "403");
    assert.equal(await l7.code("far", `/public${path}`), "200");
    const of = async (verdict: string) =>
      (await observe(l7.lab, "--type", "l7", "--verdict", verdict, "--last", "50")).filter((flow) =>
        JSON.stringify(flow).includes(path),
      );
    await until("both are seen, and their answers", async () => {
      const [dropped, forwarded] = [await of("DROPPED"), await of("FORWARDED")];
      return dropped.length === 1 && forwarded.length === 3;
    });
    const [denied] = await of("DROPPED");
    assert.equal(denied?.source?.pod_name, "client");
    assert.equal(denied?.destination?.pod_name, "far");
    assert.equal(denied?.node_name.split("/").at(-1), "node-2");
    assert.deepEqual(
      denied?.ingress_denied_by?.map(({ name }) => name),
      ["seen"],
    );
    const forwarded = await of("FORWARDED");
    assert.deepEqual(
      forwarded.map(({ l7, ingress_allowed_by: by }) => [l7?.http?.code, by?.[0]?.name]).toSorted(),
      [
        [undefined, "seen"],
        [200, "seen"],
        [403, undefined],
      ],
    );
  });

  test("DNS: names that are allowed are answered, and their addresses reached; others are refused", async () => {
    await using _ = await having([clientMayAsk("names", "*.world.test")]);
    const status = async (...words: string[]) => {
      const { stdout } = await l7.exec("dig", "+time=2", "+tries=1", ...words);
      return /status: (\w+)/.exec(stdout)?.[1] ?? "none";
    };
    for (const words of [["A"], ["AAAA"], ["A", "+tcp"], ["A", "+noedns"]]) {
      assert.equal(await status("api.world.test", ...words), "NOERROR", words.join(" "));
      assert.equal(await status("other.test", ...words), "REFUSED", words.join(" "));
    }
    const reach = async (url: string) =>
      (await l7.exec("curl", "-s", "-o", "/dev/null", "-m", "2", "-w", "%{http_code}", url)).stdout;
    assert.equal(await reach("http://api.world.test/"), "200");
    assert.equal(await reach("http://172.18.0.1:6443/"), "000", "what no name was");
    const cache = await l7.lab.tsilium(["--node", "node-1", "fqdn", "cache", "list"]);
    assert.match(cache.stdout, /api\.world\.test/);
  });

  test("an agent that is killed: what its node's proxies do goes on, and the next one takes them over", async () => {
    await using _ = await having([
      serversAllow("during", readOnly),
      clientMayAsk("asked", "*.world.test"),
    ]);
    await using _other = await having([clientMayRead("reads", readOnly)]);
    assert.equal(await l7.code("near", "/public/a"), "200");
    const pids = async () => (await l7.proxies("node-1")).map(({ name, pid }) => `${name} ${pid}`);
    const before = await pids();
    assert.equal(before.length, 3);
    await killProcess(l7.lab, "agent/node-1", {
      meanwhile: async () => {
        for (let round = 0; round < 5; round++) {
          assert.equal(await l7.code("near", "/public/a"), "200");
          assert.equal(await l7.code("near", "/private"), "403");
          const { stdout } = await l7.exec("dig", "+short", "+time=1", "+tries=1", "x.world.test");
          assert.equal(stdout.trim(), "203.0.113.10");
        }
      },
      returned: () => isAgentWell(l7.lab, "node-1"),
    });
    assert.deepEqual(await pids(), before);
    await l7.objects.inKernels();
    assert.equal(await l7.code("near", "/public/a"), "200");
    await using _more = await having([
      serversAllow("more", [{ method: "GET", path: "/more" }]),
      clientMayRead("more-read", [{ method: "GET", path: "/more" }]),
    ]);
    assert.equal(await l7.code("near", "/more"), "200");
    assert.equal(await l7.code("near", "/private"), "403");
  });

  for (const server of servers)
    test(`an engine that is killed is back within a second, and nothing passes without it (${server})`, async (t) => {
      await using _ = await having([serversAllow("fragile", readOnly)]);
      const node = nodeOf[server];
      const { pid, restarts } = await l7.proxy(node, "engine-ingress");
      assert.ok(pid !== undefined);
      process.kill(pid, "SIGKILL");
      const killedAt = Date.now();
      while ((await l7.code(server, "/public/a")) !== "200") {
        assert.notEqual(await l7.code(server, "/private"), "200");
        assert.ok(Date.now() - killedAt < 10_000, "it does not come back");
      }
      // It serves before its agent has noticed.
      let tookMs = -1;
      await until("the agent says so", async () => {
        tookMs = startOfEngine(l7.lab.name, node) - killedAt;
        return tookMs >= 0;
      });
      t.diagnostic(`another one runs after ${tookMs} ms`);
      assert.ok(tookMs < 1_000);
      assert.equal((await l7.proxy(node, "engine-ingress")).restarts, restarts + 1);
      assert.equal(await l7.code(server, "/private"), "403");
    });

  test("status tells of processes, listeners, and what they have in force", async () => {
    await using _ = await having([serversAllow("shown", readOnly)]);
    const report = await l7.proxy("node-2", "engine-ingress");
    assert.match(report.engine ?? "", /^haproxy 2\./i);
    assert.equal(report.state, "running");
    assert.deepEqual(
      report.listeners.map(({ kind, version, acknowledged }) => [kind, acknowledged === version]),
      [["http", true]],
    );
    const { stdout } = await l7.lab.tsilium(["--node", "node-2", "status"]);
    assert.match(stdout, /^Proxy Status\n {2}proxy engine-ingress +ok +haproxy/m);
    assert.match(stdout, /listener 110\d\d: http, 1 rule, version \d+ in force/);
  });
});

test("without HAProxy rules at L7 allow nothing, and everything else goes on", async () => {
  await using lab = await L7Lab.up("l7none", { "haproxy-path": "/nowhere/haproxy" });
  await lab.objects.create(serversAllow("web", readOnly));
  await lab.objects.create(
    policy("plain", {
      endpointSelector: { matchLabels: { app: "client" } },
      ingress: [{ fromEntities: ["host"] }],
    }),
  );
  await until("status says so", async () => {
    const report = (await lab.proxies("node-1")).find(({ name }) => name === "engine-ingress");
    return report?.problem !== undefined;
  });
  const { stdout } = await lab.lab.tsilium(["--node", "node-1", "status"]);
  assert.match(
    stdout,
    /HAProxy was not found at \/nowhere\/haproxy: install it \(Debian: haproxy\)/,
  );
  // A slot is put in force five seconds after its listeners were asked for, whatever became of them.
  await until("it is denied", async () => (await lab.code("near", "/public/a")) === "000");
  assert.equal(
    (await lab.lab.nodeExec("node-1", ["ping", "-c", "1", "-W", "2", lab.address("client", 4)]))
      .status,
    0,
  );
});

test("a lab's proxies end with its daemon, however it ended", async () => {
  await using lab = await L7Lab.up("l7gone");
  await lab.objects.create(clientMayAsk("names", "*.world.test"));
  await lab.objects.inKernels();
  assert.ok(processesOf(lab.lab.name).some((command) => command.includes("dns-proxy")));
  process.kill(await processPid(lab.lab, "daemon"), "SIGKILL");
  for (let tries = 0; processesOf(lab.lab.name).length > 0 && tries < 50; tries++) await sleep(50);
  assert.deepEqual(processesOf(lab.lab.name), []);
});

/** When the node's agent last said that an engine runs, UNIX milliseconds. */
function startOfEngine(lab: string, node: string): number {
  const log = readFileSync(`/var/run/tsilium/lab/${lab}/logs/agent-${node}.log`, "utf8");
  const last = log
    .split("\n")
    .filter((line) => line.includes('"a proxy runs"') && line.includes('"engine-ingress"'))
    .at(-1);
  assert.ok(last, log);
  return Date.parse((JSON.parse(last) as { time: string }).time);
}

/** Command lines that name the lab's folder. */
function processesOf(name: string): string[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      } catch {
        return ""; // it ended meanwhile
      }
    })
    .filter((command) => command.includes(`/lab/${name}/`));
}

/** What the client may ask servers for; and DNS, without rules. */
function clientMayRead(name: string, http: readonly object[]) {
  return policy(name, {
    endpointSelector: { matchLabels: { app: "client" } },
    egress: [
      {
        toEndpoints: [{ matchLabels: { app: "server" } }],
        toPorts: [{ ports: [{ port: "8080", protocol: "TCP" }], rules: { http } }],
      },
    ],
  });
}
