// CiliumLocalRedirectPolicy: traffic of a node's pods to an address or a service goes to pods of the same node.
import type { JsonSchema } from "@tsilium/kube";
import { selector } from "./policy/selector.ts";
import {
  ageColumn,
  choice,
  define,
  described,
  exactlyOne,
  flag,
  kept,
  list,
  object,
  text,
} from "./schema.ts";

const port = kept({
  "port!": described("a number in quotes", {
    ...text,
    pattern:
      "^([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$",
  }),
  "protocol!": choice("TCP", "UDP"),
  name: described("by which ports of frontend and backend meet", {
    ...text,
    maxLength: 63,
    pattern: "^([a-zA-Z0-9]-?)*[a-zA-Z](-?[a-zA-Z0-9])*$",
  }),
});

/** Several are told apart by their names. */
const ports = (more: JsonSchema = {}) =>
  list(port, {
    maxItems: 40,
    anyOf: [{ maxItems: 1 }, { items: { required: ["name"] } }],
    ...more,
  });

const addressMatcher = described(
  "an address and its ports",
  kept({
    "ip!": { ...text, anyOf: [{ format: "ipv4" }, { format: "ipv6" }] },
    "toPorts!": ports({ minItems: 1 }),
  }),
);

const serviceMatcher = described(
  "a service of type ClusterIP, of the policy's own namespace",
  kept({
    "serviceName!": { ...text, minLength: 1, maxLength: 63 },
    "namespace!": { ...text, minLength: 1, maxLength: 63 },
    toPorts: described("absent: all ports of the service", ports()),
  }),
);

export const ciliumLocalRedirectPolicy = define({
  kind: "CiliumLocalRedirectPolicy",
  plural: "ciliumlocalredirectpolicies",
  shortNames: ["clrp"],
  categories: ["ciliumpolicy"],
  scope: "Namespaced",
  statusSubresource: true,
  columns: [ageColumn],
  schema: kept({
    apiVersion: text,
    kind: text,
    metadata: { type: "object" },
    "spec!": kept({
      "redirectFrontend!": kept(
        { addressMatcher, serviceMatcher },
        exactlyOne("addressMatcher", "serviceMatcher"),
      ),
      "redirectBackend!": kept({
        "localEndpointSelector!": described("pods of the policy's namespace", selector),
        "toPorts!": ports({ minItems: 1 }),
      }),
      skipRedirectFromBackend: described(
        "the backends themselves reach what the frontend really is",
        { ...flag, default: false },
      ),
      description: text,
    }),
    status: object({ ok: flag }),
  }),
});
