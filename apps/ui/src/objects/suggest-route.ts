// Names that the cluster has, for the filter bar.
import type { JsonRoute } from "../http/server.ts";
import type { Relay } from "../relay/relay.ts";
import { reservedIdentities } from "../shared/names.ts";
import type { Collections } from "./collections.ts";
import type { EndpointRow, ServiceRow } from "./rows.ts";

const most = 30;
/** The first question starts the watch; an API server that is away is not waited for. */
const patienceMs = 1_000;

/** "suggest": values of a filter's `word` with `text` in them. */
export function suggestRoute(relay: Relay, collections: Collections | undefined): JsonRoute {
  return async (parameters, signal) => {
    const word = (parameters.get("word") ?? "").replace(/^(from|to)-/, "");
    const text = (parameters.get("text") ?? "").toLowerCase();
    const names = await namesFor(word, { relay, collections, signal });
    const found = [...new Set(names)].filter((name) => name.toLowerCase().includes(text));
    const begin = (name: string) => (name.toLowerCase().startsWith(text) ? 0 : 1);
    found.sort((a, b) => begin(a) - begin(b) || (a < b ? -1 : 1));
    return { values: found.slice(0, most) };
  };
}

type Sources = {
  readonly relay: Relay;
  readonly collections: Collections | undefined;
  readonly signal: AbortSignal;
};

async function namesFor(
  word: string,
  { relay, collections, signal }: Sources,
): Promise<readonly string[]> {
  const collection = word === "service" ? "services" : "endpoints";
  await collections?.get(collection).synced(patienceMs);
  const endpoints = () => rows<EndpointRow>(collections, "endpoints");
  switch (word) {
    case "namespace":
      return [
        ...(await relay.namespaces(signal).catch(() => [])),
        ...endpoints().map(({ namespace }) => namespace),
      ].filter((name) => name !== "");
    case "pod":
      return endpoints().map(({ key }) => key);
    case "workload":
      return endpoints().flatMap(({ labels }) =>
        labels
          .filter((label) => /^k8s:(app|app\.kubernetes\.io\/name|k8s-app)=/.test(label))
          .map((label) => label.replace(/^[^=]*=/, "")),
      );
    case "label":
      return endpoints().flatMap(({ labels }) => labels.map((label) => label.replace(/^k8s:/, "")));
    case "identity":
      return [
        ...Object.keys(reservedIdentities),
        ...endpoints().map(({ identity }) => String(identity)),
      ];
    case "ip":
      return endpoints().flatMap(({ addresses }) => addresses);
    case "service":
      return rows<ServiceRow>(collections, "services").map(({ key }) => key);
    case "node-name":
      return (await relay.status()).nodes.map(({ name }) => name);
    default:
      return [];
  }
}

function rows<T>(collections: Collections | undefined, name: "endpoints" | "services"): T[] {
  return [...(collections?.get(name).rows.values() ?? [])] as unknown as T[];
}
