// Who is asking: by client certificate (CN is the user, O its groups) or by bearer token.
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { ApiError } from "../errors.ts";

export type User = { readonly name: string; readonly groups: readonly string[] };

export type TokenUser = User & { readonly token: string };

const anonymous: User = { name: "system:anonymous", groups: ["system:unauthenticated"] };

export class Authenticator {
  readonly #tokens: readonly { readonly digest: Buffer; readonly user: User }[];
  readonly #bySocket = new WeakMap<TLSSocket, User>();

  constructor(tokens: readonly TokenUser[]) {
    this.#tokens = tokens.map(({ token, name, groups }) => ({
      digest: digestOf(token),
      user: { name, groups: [...groups, "system:authenticated"] },
    }));
  }

  /**
   * The request's user; anonymous without credentials.
   * @throws ApiError Unauthorized for credentials that are wrong: they never fall back to anonymous.
   */
  identify(request: IncomingMessage): User {
    const { authorization } = request.headers;
    if (authorization !== undefined) return this.#byToken(authorization);
    const { socket } = request;
    return socket instanceof TLSSocket ? this.#byCertificate(socket) : anonymous;
  }

  #byToken(header: string): User {
    const token = /^Bearer (\S+)$/i.exec(header)?.[1];
    if (token === undefined) throw unauthorized();
    const digest = digestOf(token);
    // Digests have one length and are compared in constant time: nothing about a token leaks.
    const found = this.#tokens.filter((known) => timingSafeEqual(known.digest, digest))[0];
    if (!found) throw unauthorized();
    return found.user;
  }

  #byCertificate(socket: TLSSocket): User {
    const known = this.#bySocket.get(socket);
    if (known) return known;
    const user = userOf(socket);
    this.#bySocket.set(socket, user);
    return user;
  }
}

function userOf(socket: TLSSocket): User {
  const certificate = socket.getPeerCertificate();
  const subject = certificate?.subject as
    | { CN?: string | string[]; O?: string | string[] }
    | undefined;
  if (!subject) return anonymous;
  const name = [subject.CN ?? []].flat()[0];
  if (!socket.authorized || !name) throw unauthorized();
  return { name, groups: [...[subject.O ?? []].flat(), "system:authenticated"] };
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function unauthorized(): ApiError {
  return new ApiError(401, "Unauthorized", "Unauthorized");
}
