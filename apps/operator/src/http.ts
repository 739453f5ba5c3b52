// The operator's two small HTTP servers: metrics, and health for a kubelet to ask.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What a path answers. */
export type Answer = {
  readonly status: number;
  readonly type: string;
  readonly body: string;
};
export type Routes = Readonly<Record<string, () => Answer | Promise<Answer>>>;

export type Serving = Disposable & { readonly port: number };

/**
 * Serves GET requests for these paths; anything else is 404 (or 405).
 * @param address "127.0.0.1:9963", "[::1]:9963"; port 0: any free one
 * @throws Error when the address cannot be listened on
 */
export async function serve(address: string, routes: Routes): Promise<Serving> {
  const { host, port } = parseAddress(address);
  const server = createServer(async (request, response) => {
    const answer = await answerTo(request.method, request.url, routes);
    response.writeHead(answer.status, { "content-type": answer.type }).end(answer.body);
  });
  server.listen(port, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function answerTo(
  method: string | undefined,
  url: string | undefined,
  routes: Routes,
): Promise<Answer> {
  const path = (url ?? "/").split("?")[0] ?? "/";
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (!route) return { status: 404, type: "text/plain", body: `no ${path} here\n` };
  if (method !== "GET") return { status: 405, type: "text/plain", body: "GET only\n" };
  try {
    return await route();
  } catch (error) {
    return { status: 500, type: "text/plain", body: `${(error as Error).message}\n` };
  }
}

function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:]*)):([0-9]+)$/.exec(address);
  if (!match) throw new Error(`"${address}" is not ADDRESS:PORT`);
  return { host: match[1] ?? (match[2] || "::"), port: Number(match[3]) };
}
