// Whom unprivileged proxies run as: a user each, so that one that was taken over reaches nothing of another. The
// numbers are of the range that systemd leaves unused (65520-65533); no entry in /etc/passwd is needed.
import type { Direction } from "@tsilium/policy/model.ts";

export type ProxyUser = { readonly uid: number; readonly gid: number };

const user = (id: number): ProxyUser => ({ uid: id, gid: id });

/** Users of engines (http, sni) and of our own proxies. */
export const proxyUsers = {
  engine: { egress: user(65_520), ingress: user(65_521) },
  dns: user(65_522),
  kafka: { egress: user(65_523), ingress: user(65_524) },
} as const satisfies {
  readonly engine: Record<Direction, ProxyUser>;
  readonly dns: ProxyUser;
  readonly kafka: Record<Direction, ProxyUser>;
};
