// The API server and the controllers of a small cluster, in one process.
//
//   pki --> ApiServer (store, kinds, listeners) <-- KubeClient <-- Controllers
//                 ^-- what is wrong with policies and pools
import { randomBytes } from "node:crypto";
import { ApiServer, AuditLog, createPki } from "@tsilium/apiserver";
import { admissionsBy, policyJudges } from "../../operator/src/policies/judge.ts";
import { serviceJudges } from "../../operator/src/policies/service-judges.ts";
import { Controllers } from "@tsilium/controllers";
import { KubeClient } from "@tsilium/kube";
import { createLog } from "@tsilium/runtime";
import { parseOptions, usage, type Options } from "./options.ts";

function readOptions(): Options {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`apiserver: ${(error as Error).message}\n${usage}\n`);
    process.exit(2);
  }
}

const options = readOptions();
// Standard output is for the line that says "ready".
const log = createLog({ level: options.logLevel, base: { subsystem: "apiserver" }, fd: 2 });

const pki = await createPki(options.pkiDir, { sans: options.sans });
const controllerToken = randomBytes(32).toString("base64url");
const { kubeletSocket } = options;
const auditLog = options.audit
  ? new AuditLog({
      ...options.audit,
      onFault: (error) => log.error({ error }, "the audit log cannot be written"),
    })
  : undefined;
const server = await ApiServer.start({
  dataDir: options.dataDir,
  pki,
  listeners: options.listeners,
  tokens: [
    { token: controllerToken, name: "system:kube-controller-manager", groups: ["system:masters"] },
  ],
  ...(kubeletSocket === undefined ? {} : { kubelet: () => kubeletSocket }),
  ...(options.nodePortRange ? { nodePortRange: options.nodePortRange } : {}),
  admissions: admissionsBy({
    ...policyJudges({ nodeSelectorLabels: options.nodeSelectorLabels }),
    ...serviceJudges(),
  }),
  ...(auditLog ? { audit: (event) => auditLog.write(event) } : {}),
  log: (request) => log.debug(request, "request"),
  onFault: (error) => log.error({ error }, "a request failed by our own fault"),
});

const client = new KubeClient({
  server: server.origin,
  ca: pki.ca,
  token: controllerToken,
  userAgent: "kube-controller-manager",
});
const controllers = options.controllers
  ? Controllers.start({ client, log, apiEndpoints: options.advertise })
  : undefined;

async function stop(signal: NodeJS.Signals): Promise<void> {
  log.info({ signal }, "stopping");
  await controllers?.stop();
  client[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
  auditLog?.[Symbol.dispose]();
  process.exit(0);
}
process.on("SIGTERM", (signal) => void stop(signal));
process.on("SIGINT", (signal) => void stop(signal));

process.stdout.write(`${JSON.stringify({ ready: true, port: server.port })}\n`);
log.info({ port: server.port, revision: server.revision }, "serving");
