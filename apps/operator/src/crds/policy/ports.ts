// Ports and ICMP types of Cilium's policies.
import type { JsonSchema } from "@tsilium/kube";
import { choice, described, kept, list, text, wholeBetween } from "../schema.ts";
import { l7Rules, listener, serverNames, tls } from "./l7.ts";

/** As many as a rule may have, of ports and of ICMP types each. */
const most = { maxItems: 40 };

const port = kept({
  port: described("a number in quotes, 0 for all, or the name of a container port", {
    ...text,
    maxLength: 63,
    pattern: "^([0-9]{1,5}|([a-zA-Z0-9]-?)*[a-zA-Z](-?[a-zA-Z0-9])*)$",
  }),
  endPort: described("last port of a range that starts with `port`", wholeBetween(0, 65535)),
  protocol: described(
    "ANY, or absent: TCP, UDP and SCTP, but not ICMP",
    choice("TCP", "UDP", "SCTP", "ANY"),
  ),
});

const ports = described("any of them", list(port, most));

export const allowedPorts = described(
  "destination ports, and what must hold beyond them",
  list(
    kept({
      ports,
      rules: l7Rules,
      serverNames,
      terminatingTLS: tls,
      originatingTLS: tls,
      listener,
    }),
  ),
);

export const deniedPorts = described("destination ports", list(kept({ ports })));

const icmpType: JsonSchema = {
  "x-kubernetes-int-or-string": true,
  description: 'number of the type, 0 to 255, or its name, "EchoRequest"',
};

export const icmps = described(
  "ICMP messages",
  list(
    kept({
      fields: list(
        kept({ family: { ...choice("IPv4", "IPv6"), default: "IPv4" }, "type!": icmpType }),
        most,
      ),
    }),
  ),
);
