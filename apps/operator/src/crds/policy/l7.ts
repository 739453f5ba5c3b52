// What a rule of Cilium's policies asks of a connection beyond its ports.
import type { JsonSchema } from "@tsilium/kube";
import {
  choice,
  described,
  exactlyOne,
  kept,
  list,
  record,
  text,
  wholeBetween,
} from "../schema.ts";
import { dnsName, namePattern } from "./peers.ts";

const named: JsonSchema = { ...text, minLength: 1 };
const secret = kept({ "name!": named, namespace: text });
const shortText: JsonSchema = { ...text, maxLength: 255 };

const expression: JsonSchema = { ...text, maxLength: 2048 };

const http = kept({
  path: described("regular expression (RE2) that path and query must match as a whole", expression),
  method: described("regular expression (RE2) that the whole method must match", expression),
  host: described(
    "regular expression (RE2) that the whole host, in lower case, must match",
    expression,
  ),
  headers: described('headers that must be there, "Name" or "Name: value"', list(text)),
  headerMatches: list(
    kept({
      "name!": named,
      value: text,
      secret,
      mismatch: described(
        "what becomes of a request that does not match; absent: it is refused",
        choice("LOG", "ADD", "DELETE", "REPLACE"),
      ),
    }),
  ),
});

const kafka = kept({
  role: described("what clients may do, in place of apiKey", choice("produce", "consume")),
  apiKey: shortText,
  apiVersion: { ...shortText, pattern: "^[0-9]*$" },
  clientID: shortText,
  topic: { ...shortText, pattern: "^[a-zA-Z0-9._-]*$" },
});

export const l7Rules = kept(
  {
    http: list(http),
    kafka: list(kafka),
    dns: list(dnsName),
    l7proto: described("name of another protocol, for `l7`", text),
    l7: list(record(text)),
  },
  exactlyOne("http", "kafka", "dns", "l7proto"),
);

export const tls = kept({
  "secret!": secret,
  trustedCA: described("item of the secret, ca.crt unless given", text),
  certificate: described("item of the secret, tls.crt unless given", text),
  privateKey: described("item of the secret, tls.key unless given", text),
});

export const serverNames = described(
  "TLS server names, one of which a client must ask for",
  list(namePattern, { minItems: 1 }),
);

export const listener = kept({
  "envoyConfig!": kept({
    kind: choice("CiliumEnvoyConfig", "CiliumClusterwideEnvoyConfig"),
    "name!": named,
  }),
  "name!": named,
  priority: wholeBetween(1, 100),
});

export const authentication = kept({
  "mode!": choice("disabled", "required", "test-always-fail"),
});
