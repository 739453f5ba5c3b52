// tsilium-kafka-proxy: enforces Kafka rules of one direction on one node. It goes on without an agent, with the rules
// that it was told last, which it keeps on disk.
//
//   saved rules --> proxy: listeners, connections <--control socket-- agent
import { type ReceivedToProxy, ControlServer } from "@tsilium/proxy/control/index.ts";
import { dropPrivileges, StateFolder } from "@tsilium/proxy/privileges/index.ts";
import { createLog, type Logger } from "@tsilium/runtime";
import manifest from "../../../package.json" with { type: "json" };
import { parseConfig } from "./config.ts";
import { KafkaProxy } from "./proxy.ts";
import { loadRules, saveRules } from "./saved-rules.ts";

const engine = `tsilium-kafka ${manifest.version}`;

async function main(): Promise<void> {
  const config = parseConfig(process.argv[2]);
  const log = createLog({ level: "info", base: { proxy: `kafka-${config.direction}` } });
  const folder = StateFolder.open(config.stateFolder, config.user);
  const proxy = new KafkaProxy({
    ...config,
    addRecord: (record) => control.addRecord(record),
    onFault: (error) => log.error({ error }, "a connection was ended by a fault of this proxy"),
  });
  // One after the other: a later message finds what an earlier one made.
  let turns = Promise.resolve();
  const control = await ControlServer.listen({
    path: config.controlSocket,
    hello: () => ({
      version: engine,
      pid: process.pid,
      listeners: proxy.rules.map(({ port }) => port),
    }),
    receive: (message) => {
      turns = turns
        .then(() => carryOut(message, { proxy, control, folder, log }))
        .catch((error: unknown) => log.error({ error }, "a message of the agent failed"));
    },
    onError: (error) => log.warn({ error }, "the control connection failed"),
  });
  dropPrivileges(config.user);
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => process.exit(0));
  // Before whatever an agent says.
  turns = turns.then(async () => {
    const saved = { whole: true, listeners: loadRules(folder), removed: [] };
    const problems = await proxy.apply(saved);
    log.info({ pid: process.pid, rules: proxy.rules.length, problems }, "the proxy runs");
  });
  await turns;
}

type Parts = {
  readonly proxy: KafkaProxy;
  readonly control: ControlServer;
  readonly folder: StateFolder;
  readonly log: Logger;
};

async function carryOut(message: ReceivedToProxy, parts: Parts): Promise<void> {
  const { proxy, control, folder, log } = parts;
  switch (message.kind) {
    case "apply": {
      const { invalid, listeners, removed, whole } = message;
      // What is not understood must let nothing through, whatever was there before.
      const gone = [...removed, ...invalid.map(({ port }) => port)];
      const problems = await proxy.apply({ whole, listeners, removed: gone });
      try {
        saveRules(folder, proxy.rules);
      } catch (error) {
        log.error(
          { error },
          "the rules cannot be kept: a restart without the agent lets nothing through",
        );
      }
      return control.acknowledge(message.sequence, [...problems, ...invalid]);
    }
    case "move":
      proxy.move(message.connections);
      return control.acknowledge(message.sequence);
    case "status":
      return control.sendStatus({ engine, pid: process.pid, ...proxy.status() });
    case "release":
      return;
    case "stop":
      process.exit(0);
  }
}

try {
  await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
