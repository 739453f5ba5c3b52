// The cluster's DNS server, the program of the image tsilium.io/dns.
//   dns --kubeconfig FILE [--upstream ADDRESS]... [--domain cluster.local] [--ready-fd N]
import { closeSync } from "node:fs";
import { parseArgs } from "node:util";
import { KubeClient } from "@tsilium/kube";
import { clusterDomain } from "../layout.ts";
import { ClusterSource } from "./cluster-source.ts";
import { Forwarder } from "./forward.ts";
import { parseName } from "./name.ts";
import { DnsServer } from "./server.ts";
import { openDnsSockets } from "./sockets.ts";
import { watchCluster } from "./watched-view.ts";

const { values } = parseArgs({
  options: {
    kubeconfig: { type: "string" },
    upstream: { type: "string", multiple: true, default: [] },
    domain: { type: "string", default: clusterDomain },
    "ready-fd": { type: "string" },
  },
});
const report = (error: unknown) => console.error(`dns: ${(error as Error).message}`);

const stopping = new AbortController();
const client = KubeClient.fromKubeconfig(values.kubeconfig ?? "");
const view = watchCluster(client, stopping.signal, report);
const source = new ClusterSource(view, parseName(values.domain), new Forwarder(values.upstream));
// Names that are there must not be denied because their list is still on its way.
await view.synced;
const server = await DnsServer.start(openDnsSockets(), source, report);
if (values["ready-fd"] !== undefined) closeSync(Number(values["ready-fd"]));

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    stopping.abort();
    server[Symbol.dispose]();
    process.exit(0);
  });
}
