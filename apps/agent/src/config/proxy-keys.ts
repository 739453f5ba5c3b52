// Configuration keys of policy at L7 and of names in policies. Names are Cilium's but for those of the engines.
import { choice, duration, flag, text, wholeNumber } from "@tsilium/runtime/config.ts";

export const proxyKeys = {
  "enable-l7-proxy": flag(
    true,
    "enforce L7 rules, in proxies that start when a policy needs one; false: such rules allow nothing",
  ),
  "l7-engine": choice("haproxy", ["haproxy", "envoy"], "what enforces rules of HTTP and of TLS"),
  "haproxy-path": text("/usr/sbin/haproxy", "HAProxy's program"),
  "envoy-path": text("envoy", "Envoy's program, a path or a name in PATH"),
  "policy-secrets-namespace": text(
    "cilium-secrets",
    "namespace that secrets of policies are read from",
  ),
  "policy-secrets-only-from-secrets-namespace": flag(
    true,
    "read secrets of policies from no other namespace; false: whoever may write a policy can have any secret read, as far as the agent may",
  ),
  "proxy-max-connections": wholeNumber(
    0,
    [0, 1_000_000],
    "connections that an engine holds at once; 0: as many as its limit of open files has room for",
  ),

  // Names
  "tofqdns-min-ttl": wholeNumber(
    0,
    [0, 2_147_483_647],
    "seconds for which an address stays a name's at least, whatever the answer's TTL",
  ),
  "tofqdns-endpoint-max-ip-per-hostname": wholeNumber(
    1000,
    [1, 65_536],
    "addresses of one name that are kept; the oldest without a connection go first",
  ),
  "tofqdns-max-deferred-connection-deletes": wholeNumber(
    10_000,
    [0, 1_000_000],
    "addresses that are kept beyond their TTL for connections that are alive",
  ),
  "tofqdns-gc-interval": duration(
    60_000,
    "time between looks for addresses whose TTL has ended and that nobody is connected to; they go at the second; 1s at least",
  ),
  "tofqdns-proxy-response-max-delay": duration(
    100,
    "time for which an answer is held until the kernel knows its addresses",
  ),
  "tofqdns-dns-reject-response-code": choice(
    "refused",
    ["refused", "nameError"],
    "what the asker of a denied name hears",
  ),
} as const;
