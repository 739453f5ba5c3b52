// Requests to a kubelet on this machine, over its unix socket: root's alone (mode 0600), so that whoever answers there is
// who root has put there, and who asks is root.
import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { ApiError } from "../errors.ts";

/** Where the kubelet of a node listens; undefined for a node that is not of this machine. */
export type KubeletSocket = (nodeName: string) => string | undefined;

export type KubeletCall = {
  readonly socketPath: string;
  readonly path: string;
  readonly query?: URLSearchParams;
  readonly signal: AbortSignal;
};

/** @throws ApiError what the kubelet refuses, or that it does not answer */
export async function askKubelet(call: KubeletCall): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = begin(call, {});
  request.on("response", resolve);
  request.on("error", (error) => reject(unreachable(error)));
  request.end();
  const response = await promise;
  if (response.statusCode !== 200) throw await refusalOf(response);
  return response;
}

/** The socket after an upgrade to `protocol`. @throws ApiError what the kubelet refuses, or that it does not answer */
export async function upgradeAtKubelet(call: KubeletCall, protocol: string): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const request = begin(call, { Connection: "Upgrade", Upgrade: protocol });
  request.on("upgrade", (_response, socket, head) => {
    if (head.length > 0) socket.unshift(head);
    socket.on("error", () => socket.destroy());
    resolve(socket);
  });
  request.on("response", (response) => void refusalOf(response).then(reject));
  request.on("error", (error) => reject(unreachable(error)));
  request.end();
  return promise;
}

function begin(call: KubeletCall, headers: Record<string, string>): ClientRequest {
  const { socketPath, path, query, signal } = call;
  const search = query && query.size > 0 ? `?${query}` : "";
  return httpRequest({ socketPath, path: `${path}${search}`, method: "GET", headers, signal });
}

const maxRefusalBytes = 16 * 1024;

/** A kubelet's error is a line of text with a status. */
async function refusalOf(response: IncomingMessage): Promise<ApiError> {
  let text = "";
  try {
    for await (const chunk of response.setEncoding("utf8"))
      if (text.length < maxRefusalBytes) text += chunk as string;
  } catch {
    // What came of it is enough.
  }
  const status = response.statusCode ?? 500;
  const reasons: Record<number, string> = { 400: "BadRequest", 404: "NotFound" };
  return new ApiError(status, reasons[status] ?? "InternalError", text.trim());
}

function unreachable(error: Error): ApiError {
  return new ApiError(
    500,
    "InternalError",
    `the kubelet does not answer: ${(error as NodeJS.ErrnoException).code ?? error.message}`,
  );
}
