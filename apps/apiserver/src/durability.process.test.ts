// The server as a process: killed without warning in a storm of writes, it loses nothing it acknowledged.
import { strict as assert } from "node:assert";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createPki, type Pki } from "@tsilium/apiserver";
import { KubeClient, resources, type ConfigMap } from "@tsilium/kube";
import { parseOptions } from "./options.ts";

const folder = mkdtempSync(join(tmpdir(), "tsilium-durability-"));
const pkiDir = join(folder, "pki");
after(() => rmSync(folder, { recursive: true }));

type Running = { readonly process: ChildProcess; readonly client: KubeClient };

async function start(pki: Pki, more: readonly string[] = []): Promise<Running> {
  const main = join(import.meta.dirname, "main.ts");
  const args = [
    "--data-dir",
    join(folder, "data"),
    "--pki-dir",
    pkiDir,
    "--listen",
    "127.0.0.1:0",
    ...more,
  ];
  const server = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  const [line] = (await once(createInterface(server.stdout), "line")) as [string];
  const { port } = JSON.parse(line) as { port: number };
  const { cert, key } = await pki.client("admin", ["system:masters"]);
  return {
    process: server,
    client: new KubeClient({ server: `https://127.0.0.1:${port}`, ca: pki.ca, cert, key }),
  };
}

async function kill(running: Running): Promise<void> {
  const exit = once(running.process, "exit");
  running.process.kill("SIGKILL");
  await exit;
  running.client[Symbol.dispose]();
}

/** What writers were told: a name's last acknowledged value, or undefined once its deletion was. */
type Ledger = Map<string, string | undefined>;

/** Creates, changes and deletes until the server is gone; everything acknowledged goes into the ledger. */
async function write(client: KubeClient, writer: number, ledger: Ledger): Promise<void> {
  const signal = AbortSignal.timeout(30_000);
  const object = (name: string, value: string): ConfigMap => ({
    metadata: { name, namespace: "default" },
    data: { value },
  });
  try {
    for (let round = 0; ; round++) {
      const name = `w${writer}-${Math.floor(round / 3)}`;
      if (round % 3 === 0) {
        await client.create(resources.configMaps, object(name, "made"), { signal });
        ledger.set(name, "made");
      } else if (round % 3 === 1) {
        // Unknown between sending and the answer: either value is right until we are told.
        ledger.set(name, "either");
        await client.replace(resources.configMaps, object(name, "changed"), { signal });
        ledger.set(name, "changed");
      } else if (round % 2 === 0) {
        ledger.set(name, "either");
        await client.delete(resources.configMaps, name, { namespace: "default", signal });
        ledger.set(name, undefined);
      }
    }
  } catch {
    // The server is gone: what was not acknowledged is not in the ledger.
  }
}

test("kill -9 in a storm of writes loses nothing that was acknowledged", async () => {
  const pki = await createPki(pkiDir);
  const ledger: Ledger = new Map();
  let highest = 0;
  for (let life = 1; life <= 2; life++) {
    const running = await start(pki, ["--no-controllers"]);
    const writers = Array.from({ length: 16 }, (_, writer) =>
      write(running.client, life * 100 + writer, ledger),
    );
    while (ledger.size < life * 150) await sleep(5);
    await sleep(Math.random() * 50);
    await kill(running);
    await Promise.all(writers);

    const again = await start(pki, ["--no-controllers"]);
    const { items, metadata } = await again.client.list(resources.configMaps, {
      namespace: "default",
      signal: AbortSignal.timeout(10_000),
    });
    const found = new Map(items.map((item) => [item.metadata.name ?? "", item.data?.["value"]]));
    for (const [name, value] of ledger) {
      if (value !== "either") assert.equal(found.get(name), value, `life ${life}: ${name}`);
    }
    const versions = items.map((item) => Number(item.metadata.resourceVersion));
    assert.ok(
      Math.max(...versions) <= Number(metadata.resourceVersion),
      "no version is beyond the list's",
    );
    assert.ok(Number(metadata.resourceVersion) >= highest, "the revision never goes back");
    highest = Number(metadata.resourceVersion);
    await kill(again);
  }
});

test("SIGTERM ends the server in good order, controllers and all", async () => {
  const pki = await createPki(pkiDir);
  const running = await start(pki, ["--advertise", "172.18.0.1:6443"]);
  const exit = once(running.process, "exit");
  running.process.kill("SIGTERM");
  assert.deepEqual(await exit, [0, null]);
  running.client[Symbol.dispose]();
});

test("two servers on one store are refused", async () => {
  const pki = await createPki(pkiDir);
  const running = await start(pki, ["--no-controllers"]);
  const main = join(import.meta.dirname, "main.ts");
  const args = ["--data-dir", join(folder, "data"), "--pki-dir", pkiDir, "--listen", "127.0.0.1:0"];
  const second = spawn(process.execPath, [main, ...args], { stdio: "ignore" });
  const [code] = (await once(second, "exit")) as [number];
  assert.notEqual(code, 0);
  await kill(running);
});

const badArguments: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["no data folder", ["--pki-dir", "p", "--listen", "127.0.0.1:0"], /--data-dir is needed/],
  ["nothing to listen on", ["--data-dir", "d", "--pki-dir", "p"], /--listen is needed/],
  ["an unknown option", ["--color", "red"], /Unknown option '--color'/],
  [
    "a port that is none",
    ["--data-dir", "d", "--pki-dir", "p", "--listen", "127.0.0.1:70000"],
    /up to 65535/,
  ],
  [
    "a name for an address",
    ["--data-dir", "d", "--pki-dir", "p", "--listen", "localhost:1"],
    /not ADDRESS:PORT/,
  ],
];
for (const [sentence, args, message] of badArguments) {
  test(`the command line is refused for ${sentence}`, () =>
    assert.throws(() => parseOptions(args), message));
}
