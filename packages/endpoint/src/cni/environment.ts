// The plugin's environment: CNI_* variables, checked as the specification (1.1.0, "Parameters") demands.
import { CniError, cniCode } from "./error.ts";

/** One attachment of a container to the network: the key of everything CNI does. */
export type Attachment = { readonly containerId: string; readonly ifName: string };

/** The pod that the runtime says the container belongs to. */
export type PodReference = {
  readonly namespace: string;
  readonly name: string;
  /** undefined from runtimes that do not send K8S_POD_UID. */
  readonly uid: string | undefined;
};

export type Environment = ReadonlyMap<string, string>;

const knownArguments = new Set([
  "IgnoreUnknown",
  "K8S_POD_NAMESPACE",
  "K8S_POD_NAME",
  "K8S_POD_UID",
  "K8S_POD_INFRA_CONTAINER_ID",
]);

/** Interface names: at most 15 bytes, nothing the kernel refuses (dev_valid_name). */
const interfaceName = /^(?!\.{1,2}$)[^/:\s\0]{1,15}$/;
const identifier = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** @throws CniError 4 naming the variable that is missing or malformed. */
export function attachmentOf(environment: Environment): Attachment {
  const containerId = required(environment, "CNI_CONTAINERID");
  if (!identifier.test(containerId)) throw invalid("CNI_CONTAINERID", containerId);
  const ifName = required(environment, "CNI_IFNAME");
  if (!interfaceName.test(ifName) || Buffer.byteLength(ifName) > 15) {
    throw invalid("CNI_IFNAME", ifName);
  }
  return { containerId, ifName };
}

/** @throws CniError 4 when CNI_NETNS is missing or no absolute path. */
export function netnsOf(environment: Environment): string {
  const path = required(environment, "CNI_NETNS");
  if (!path.startsWith("/") || path.includes("\0")) throw invalid("CNI_NETNS", path);
  return path;
}

/**
 * The pod named by CNI_ARGS ("KEY=value;KEY=value"); undefined for a container that is no pod.
 * @throws CniError 4 on malformed pairs, and on unknown keys unless IgnoreUnknown is true.
 */
export function podOf(environment: Environment): PodReference | undefined {
  const args = parseArguments(environment.get("CNI_ARGS") ?? "");
  const name = args.get("K8S_POD_NAME");
  const namespace = args.get("K8S_POD_NAMESPACE");
  if (!name && !namespace) return undefined;
  if (!name || !namespace) {
    throw new CniError(cniCode.invalidEnvironment, "CNI_ARGS names half a pod", {
      details: "K8S_POD_NAME and K8S_POD_NAMESPACE come together",
    });
  }
  return { namespace, name, uid: args.get("K8S_POD_UID") || undefined };
}

function parseArguments(text: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const pair of text.split(";").filter((part) => part !== "")) {
    const at = pair.indexOf("=");
    if (at < 1) {
      throw new CniError(cniCode.invalidEnvironment, "CNI_ARGS is malformed", {
        details: `"${pair}" is not KEY=value`,
      });
    }
    pairs.set(pair.slice(0, at), pair.slice(at + 1));
  }
  const unknown = [...pairs.keys()].filter((key) => !knownArguments.has(key));
  if (unknown.length > 0 && !/^(1|t|true|yes)$/i.test(pairs.get("IgnoreUnknown") ?? "")) {
    throw new CniError(cniCode.invalidEnvironment, "CNI_ARGS has unknown keys", {
      details: `${unknown.join(", ")} (IgnoreUnknown=1 would skip them)`,
    });
  }
  return pairs;
}

function required(environment: Environment, name: string): string {
  const value = environment.get(name);
  if (value) return value;
  throw new CniError(cniCode.invalidEnvironment, `${name} is missing`);
}

function invalid(name: string, value: string): CniError {
  return new CniError(cniCode.invalidEnvironment, `${name} is not valid`, {
    details: JSON.stringify(value),
  });
}
