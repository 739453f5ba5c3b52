// The network configuration a runtime writes to the plugin's stdin, parsed into what the commands need.
import { CniError, cniCode } from "./error.ts";
import type { Attachment } from "./environment.ts";
import { type CniVersion, isSupportedVersion, supportedVersions } from "./versions.ts";

/** What an earlier ADD answered, as far as CHECK compares it. */
export type PreviousResult = {
  readonly interfaces: readonly {
    readonly name: string;
    readonly mac: string | undefined;
    readonly sandbox: string | undefined;
  }[];
  /** "10.244.0.7/32" */
  readonly addresses: readonly string[];
  /** As it came, for plugins that pass it on. */
  readonly raw: Json;
};

export type NetworkConfig = {
  readonly cniVersion: CniVersion;
  /** The network's name: GC touches attachments of this network alone. */
  readonly name: string;
  readonly previousResult: PreviousResult | undefined;
  /** Name of the plugin that is to hand out addresses (`ipam.type`); undefined: the agent does. */
  readonly ipamType: string | undefined;
  /** Cilium's `chaining-mode`; undefined: as the agent is configured. */
  readonly chainingMode: "none" | "generic-veth" | undefined;
  /** GC: every attachment the runtime still knows. undefined when the runtime sent none. */
  readonly validAttachments: readonly Attachment[] | undefined;
};

export type Json = Readonly<Record<string, unknown>>;

const pluginName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/;
const networkName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/**
 * Parses and checks a network configuration.
 * @throws CniError 6 on text that is no JSON object, 1 on a version not spoken, 7 on fields of the wrong
 *   shape, 2 on a field that asks for what this plugin does not do.
 */
export function parseNetworkConfig(text: string): NetworkConfig {
  const config = parseObject(text);
  const cniVersion = config["cniVersion"];
  if (!isSupportedVersion(cniVersion)) {
    throw new CniError(
      cniCode.incompatibleVersion,
      `cniVersion ${cniVersion === undefined ? "is missing (which means 0.1.0)" : JSON.stringify(cniVersion)}`,
      { details: `spoken: ${supportedVersions.join(", ")}` },
    );
  }
  const name = config["name"];
  if (typeof name !== "string" || !networkName.test(name)) {
    throw invalidConfig("name", name, "the network's name");
  }
  return {
    cniVersion,
    name,
    previousResult: parsePrevious(config["prevResult"]),
    ipamType: parseIpamType(config["ipam"]),
    chainingMode: parseChainingMode(config["chaining-mode"]),
    validAttachments: parseAttachments(config["cni.dev/valid-attachments"]),
  };
}

/** The version to answer a configuration in, when the configuration itself cannot be parsed any further. */
export function versionToAnswer(text: string): string | undefined {
  try {
    const version = parseObject(text)["cniVersion"];
    return isSupportedVersion(version) ? version : undefined;
  } catch {
    return undefined;
  }
}

function parseObject(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CniError(cniCode.undecodable, "the network configuration is no JSON", {
      details: (cause as Error).message,
      cause,
    });
  }
  if (!isObject(value)) {
    throw new CniError(cniCode.undecodable, "the network configuration is no JSON object");
  }
  return value;
}

/** A plugin's name is a file's in the folders of CNI_PATH: never a path. */
function parseIpamType(ipam: unknown): string | undefined {
  if (ipam === undefined || ipam === null) return undefined;
  if (!isObject(ipam)) throw invalidConfig("ipam", ipam, "an object");
  const type = ipam["type"];
  if (type === undefined || type === "") return undefined;
  if (typeof type === "string" && pluginName.test(type)) return type;
  throw invalidConfig("ipam.type", type, "the name of a plugin");
}

function parseChainingMode(value: unknown): NetworkConfig["chainingMode"] {
  if (value === undefined || value === null || value === "") return undefined;
  if (value === "none" || value === "generic-veth") return value;
  throw new CniError(
    cniCode.unsupportedField,
    `chaining-mode: ${JSON.stringify(value)?.slice(0, 80)}`,
    {
      details: "there are none and generic-veth, which takes any plugin's veth pair",
    },
  );
}

function parsePrevious(value: unknown): PreviousResult | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw invalidConfig("prevResult", value, "an object");
  const interfaces = listOf(value["interfaces"], "prevResult.interfaces").map((entry) => ({
    name: String(entry["name"] ?? ""),
    mac: textOr(entry["mac"]),
    sandbox: textOr(entry["sandbox"]),
  }));
  const addresses = listOf(value["ips"], "prevResult.ips").map((entry) => {
    if (typeof entry["address"] === "string") return entry["address"];
    throw invalidConfig("prevResult.ips", entry, "objects with an address");
  });
  return { interfaces, addresses, raw: value };
}

function parseAttachments(value: unknown): Attachment[] | undefined {
  if (value === undefined || value === null) return undefined;
  const field = "cni.dev/valid-attachments";
  return listOf(value, field).map((entry) => {
    const { containerID: containerId, ifname: ifName } = entry;
    if (typeof containerId === "string" && typeof ifName === "string")
      return { containerId, ifName };
    throw invalidConfig(field, entry, "objects with containerID and ifname");
  });
}

function listOf(value: unknown, field: string): Json[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every(isObject)) return value;
  throw invalidConfig(field, value, "a list of objects");
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOr(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function invalidConfig(field: string, value: unknown, wanted: string): CniError {
  return new CniError(cniCode.invalidConfig, `${field} is not valid`, {
    details: `wanted ${wanted}, got ${JSON.stringify(value)?.slice(0, 200)}`,
  });
}
