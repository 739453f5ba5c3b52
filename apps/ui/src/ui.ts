// The parts put together: what main starts, and what tests start.
import type { ServerOptions } from "node:https";
import type { KubeClient } from "@tsilium/kube";
import type { Logger } from "@tsilium/runtime";
import { policyRoute } from "./explain/policy-route.ts";
import { flowRoute, flowsBeforeRoute, flowsRoute } from "./flows/flows-route.ts";
import type { Assets } from "./http/assets.ts";
import { hostsOf } from "./http/guard.ts";
import { type JsonRoute, UiServer } from "./http/server.ts";
import { mapRoute } from "./map/map-route.ts";
import { MapNames } from "./map/node-of.ts";
import { Collections } from "./objects/collections.ts";
import { objectsRoute } from "./objects/objects-route.ts";
import { suggestRoute } from "./objects/suggest-route.ts";
import { Relay, type RelayOptions } from "./relay/relay.ts";
import type { Status } from "./shared/status.ts";

export type UiOptions = {
  readonly relay: RelayOptions;
  /** undefined: no API server, so no objects. It is disposed with the UI. */
  readonly client: KubeClient | undefined;
  readonly assets: Assets;
  /** Port 0: any. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Further names by which browsers may ask. */
  readonly names: readonly string[];
  readonly tls: ServerOptions | undefined;
  readonly token: string | undefined;
  readonly log: Logger;
};

export type Ui = AsyncDisposable & { readonly port: number };

/** @throws NodeJS.ErrnoException when the address cannot be had */
export async function startUi(options: UiOptions): Promise<Ui> {
  const { client, assets, listen, names, tls, token, log } = options;
  const stopping = new AbortController();
  await using parts = new AsyncDisposableStack();
  if (client) parts.use(client);
  parts.defer(() => stopping.abort(new Error("stopped")));
  const relay = parts.use(new Relay(options.relay));
  const mapNames = new MapNames();
  const collections = client && new Collections(client, stopping.signal);
  const server = parts.use(
    new UiServer({
      assets,
      streams: {
        flows: flowsRoute(relay, mapNames),
        map: mapRoute(relay, mapNames),
        objects: objectsRoute(collections),
      },
      answers: {
        flow: flowRoute(relay),
        "flows-before": flowsBeforeRoute(relay, mapNames),
        policy: policyRoute(client),
        status: statusRoute(relay, collections),
        suggest: suggestRoute(relay, collections),
      },
      tls,
      guardOf: (port) => ({
        scheme: tls ? "https" : "http",
        hosts: hostsOf({ host: listen.host, port }, names),
        token,
      }),
      log,
    }),
  );
  const port = await server.listen(listen);
  const started = parts.move();
  return { port, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

/** "status": how the cluster's flows, and those who know of them, are. */
function statusRoute(relay: Relay, collections: Collections | undefined): JsonRoute {
  return async () => {
    const status: Status = {
      ...(await relay.status()),
      kube: collections ? collections.error : "none",
    };
    return status;
  };
}
