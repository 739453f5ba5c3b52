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
};

export type NetworkConfig = {
  readonly cniVersion: CniVersion;
  /** The network's name: GC touches attachments of this network alone. */
  readonly name: string;
  readonly previousResult: PreviousResult | undefined;
  /** GC: every attachment the runtime still knows. undefined when the runtime sent none. */
  readonly validAttachments: readonly Attachment[] | undefined;
};

type Json = Readonly<Record<string, unknown>>;

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
  refuseDelegatedIpam(config["ipam"]);
  return {
    cniVersion,
    name,
    previousResult: parsePrevious(config["prevResult"]),
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

function refuseDelegatedIpam(ipam: unknown): void {
  if (ipam === undefined || ipam === null) return;
  if (!isObject(ipam)) throw invalidConfig("ipam", ipam, "an object");
  if (ipam["type"] === undefined || ipam["type"] === "") return;
  throw new CniError(cniCode.unsupportedField, `ipam.type: ${JSON.stringify(ipam["type"])}`, {
    details: "the agent hands out addresses itself; remove ipam from the configuration",
  });
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
  return { interfaces, addresses };
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
