// An HTTP request that becomes something else: the socket leaves the response that would have answered it.
import type { IncomingMessage } from "node:http";
import { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { badRequest } from "../errors.ts";
import { webSocketProtocols } from "./websocket-channels.ts";

/** What is upgraded; every other request that offers to be is answered as if it did not. */
export function mayUpgrade(request: { readonly url?: string | undefined }): boolean {
  return /\/pods\/[^/?]+\/(exec|attach|portforward)(\?|$)/.test(request.url ?? "");
}

const heads = new WeakMap<IncomingMessage, Duplex>();

/** A response on a socket that Node has given up for an upgrade, so that refusals are answered as everywhere. */
export function responseOn(request: IncomingMessage, socket: Duplex, head: Buffer): ServerResponse {
  const response = new ServerResponse(request);
  if (head.length > 0) socket.unshift(head);
  heads.set(request, socket);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Socket);
  response.on("finish", () => {
    response.detachSocket(socket as Socket);
    socket.end();
  });
  socket.on("error", () => socket.destroy());
  return response;
}

/** The socket of a request to be upgraded. @throws ApiError BadRequest where the client did not ask for it. */
function upgradable(request: IncomingMessage): Duplex {
  const socket = heads.get(request);
  if (socket) return socket;
  throw badRequest("Upgrade request required");
}

export type Offer = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
};

/** Whether the client asks for a WebSocket; else for SPDY. */
export function wantsWebSocket({ headers }: IncomingMessage): boolean {
  return /^websocket$/i.test(headers.upgrade ?? "");
}

/**
 * Answers 101 for SPDY/3.1 and hands over the socket.
 * @param protocols that we speak within it, the best first
 * @throws ApiError BadRequest when the client asks for another upgrade or speaks none of the protocols
 */
export function upgradeToSpdy(offer: Offer, protocols: readonly string[]): Duplex {
  const { request, response } = offer;
  const socket = upgradable(request);
  if (!/^spdy\/3\.1$/i.test(request.headers.upgrade ?? ""))
    throw badRequest(`unable to upgrade to ${request.headers.upgrade ?? "nothing"}`);
  const offered = request.headersDistinct["x-stream-protocol-version"] ?? [];
  const names = offered.flatMap((value) => value.split(",")).map((value) => value.trim());
  const protocol = protocols.find((known) => names.includes(known));
  if (protocol === undefined)
    throw badRequest(
      `unable to upgrade: unable to negotiate protocol: client supports [${names.join(" ")}], server accepts [${protocols.join(" ")}]`,
    );
  leave(response, socket);
  socket.write(
    [
      "HTTP/1.1 101 Switching Protocols",
      "Connection: Upgrade",
      "Upgrade: SPDY/3.1",
      `X-Stream-Protocol-Version: ${protocol}`,
      "\r\n",
    ].join("\r\n"),
  );
  return socket;
}

const maxMessageBytes = 1 << 20;
const maxPendingPongBytes = 64 * 1024;

/** Makes the socket a WebSocket. @throws ApiError BadRequest when the client speaks no protocol of ours */
export async function upgradeToWebSocket(
  offer: Offer,
  protocols: readonly string[] = webSocketProtocols,
): Promise<WebSocket> {
  const { request, response } = offer;
  const socket = upgradable(request);
  const offered = (request.headers["sec-websocket-protocol"] ?? "")
    .split(",")
    .map((name) => name.trim());
  const protocol = protocols.find((known) => offered.includes(known));
  if (protocol === undefined)
    throw badRequest(
      `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(" ")}], server accepts [${protocols.join(" ")}]`,
    );
  leave(response, socket);
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false,
    maxPayload: maxMessageBytes,
    handleProtocols: () => protocol,
  });
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>();
  socket.once("close", () => reject(badRequest("the client left before it was answered")));
  server.handleUpgrade(request, socket, Buffer.alloc(0), (made) => {
    // Who asks and does not read the answers is not answered: they would pile up.
    made.on("ping", (data) => {
      if (made.bufferedAmount < maxPendingPongBytes) made.pong(data);
    });
    resolve(made);
  });
  return promise;
}

function leave(response: ServerResponse, socket: Duplex): void {
  response.detachSocket(socket as Socket);
  // For the log: what the client was told.
  response.statusCode = 101;
}
