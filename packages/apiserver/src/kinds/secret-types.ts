// What secrets of Kubernetes' own types must hold.
import { field, type Cause } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import type { ApiObject } from "../objects/object.ts";

/** Bytes of all values together. */
const maxBytes = 1024 * 1024;

export function secretCauses(secret: ApiObject): Cause[] {
  const data = isRecord(secret["data"]) ? secret["data"] : {};
  const size = Object.values(data).reduce<number>((sum, value) => sum + byteLength(value), 0);
  const causes: Cause[] = size > maxBytes ? [field.tooLong("data", maxBytes)] : [];
  const missing = (keys: readonly string[]) =>
    keys.filter((key) => data[key] === undefined).map((key) => field.required(`data[${key}]`));
  switch (secret["type"]) {
    case "kubernetes.io/tls":
      return [...causes, ...missing(["tls.crt", "tls.key"])];
    case "kubernetes.io/ssh-auth":
      return [...causes, ...missing(["ssh-privatekey"])];
    case "kubernetes.io/dockerconfigjson":
      return [
        ...causes,
        ...missing([".dockerconfigjson"]),
        ...jsonCauses(data, ".dockerconfigjson"),
      ];
    case "kubernetes.io/dockercfg":
      return [...causes, ...missing([".dockercfg"]), ...jsonCauses(data, ".dockercfg")];
    case "kubernetes.io/basic-auth": {
      const named = data["username"] !== undefined || data["password"] !== undefined;
      return named ? causes : [...causes, ...missing(["username", "password"])];
    }
    case "kubernetes.io/service-account-token": {
      const annotation = "kubernetes.io/service-account.name";
      const account = secret.metadata.annotations?.[annotation];
      return account ? causes : [...causes, field.required(`metadata.annotations[${annotation}]`)];
    }
    default:
      return causes;
  }
}

function byteLength(value: unknown): number {
  return typeof value === "string" ? Buffer.byteLength(value, "base64") : 0;
}

/** The value itself is never told: it is a secret. */
function jsonCauses(data: Readonly<Record<string, unknown>>, key: string): Cause[] {
  const value = data[key];
  if (typeof value !== "string") return [];
  try {
    JSON.parse(Buffer.from(value, "base64").toString("utf8"));
    return [];
  } catch {
    return [field.invalid(`data[${key}]`, "<secret contents redacted>", "is no JSON")];
  }
}
