// A CNI request as the plugin posts it: NAME=value pairs ended by NUL, an empty one, then the runtime's
// stdin as it came. Decoding checks everything that can be checked without looking at the system.
import {
  type Attachment,
  attachmentOf,
  type Environment,
  netnsOf,
  type PodReference,
  podOf,
} from "./environment.ts";
import { CniError, cniCode } from "./error.ts";
import {
  type NetworkConfig,
  parseNetworkConfig,
  type PreviousResult,
  versionToAnswer,
} from "./netconf.ts";
import { newestVersion, requireCommand } from "./versions.ts";

/** What another plugin needs to be run as this one was. */
export type Invocation = {
  /** CNI_PATH: folders of plugins, parted by colons. */
  readonly path: string;
  /** CNI_ARGS. */
  readonly args: string;
  /** The network configuration as it came. */
  readonly netconf: string;
};

export type AddRequest = {
  readonly command: "ADD";
  readonly invocation: Invocation;
  readonly config: NetworkConfig;
  readonly attachment: Attachment;
  readonly netns: string;
  readonly pod: PodReference | undefined;
};
export type DeleteRequest = {
  readonly command: "DEL";
  readonly invocation: Invocation;
  readonly config: NetworkConfig;
  readonly attachment: Attachment;
  /** Absent when the runtime has lost the namespace already. */
  readonly netns: string | undefined;
};
export type CheckRequest = {
  readonly command: "CHECK";
  readonly invocation: Invocation;
  readonly config: NetworkConfig;
  readonly attachment: Attachment;
  readonly netns: string;
  readonly previousResult: PreviousResult;
};
export type StatusRequest = { readonly command: "STATUS"; readonly config: NetworkConfig };
export type GcRequest = {
  readonly command: "GC";
  readonly config: NetworkConfig;
  readonly validAttachments: readonly Attachment[];
};
export type CniRequest = AddRequest | DeleteRequest | CheckRequest | StatusRequest | GcRequest;

/**
 * Decodes a posted request.
 * @throws CniError 4, 6, 7, 1 or 2 with what is wrong with it.
 */
export function decodeRequest(body: Uint8Array): CniRequest {
  const { environment, stdin } = split(body);
  const command = environment.get("CNI_COMMAND");
  switch (command) {
    case "ADD":
      return decodeAdd(environment, stdin);
    case "DEL":
      return {
        command,
        invocation: invocationOf(environment, stdin),
        config: configFor(command, stdin),
        attachment: attachmentOf(environment),
        netns: environment.get("CNI_NETNS") || undefined,
      };
    case "CHECK":
      return decodeCheck(environment, stdin);
    case "STATUS":
      return { command, config: configFor(command, stdin) };
    case "GC":
      return decodeGc(configFor(command, stdin));
    default:
      throw new CniError(cniCode.invalidEnvironment, "CNI_COMMAND is not valid", {
        details:
          command === undefined
            ? "missing"
            : `${JSON.stringify(command)}: wanted ADD, DEL, CHECK, GC or STATUS`,
      });
  }
}

/** The version to answer a request in; the newest when the request does not say or cannot be read. */
export function answerVersion(body: Uint8Array): string {
  try {
    return versionToAnswer(split(body).stdin) ?? newestVersion;
  } catch {
    return newestVersion;
  }
}

function decodeAdd(environment: Environment, stdin: string): AddRequest {
  const config = configFor("ADD", stdin);
  const invocation = invocationOf(environment, stdin);
  const attachment = attachmentOf(environment);
  const netns = netnsOf(environment);
  return { command: "ADD", invocation, config, attachment, netns, pod: podOf(environment) };
}

function invocationOf(environment: Environment, netconf: string): Invocation {
  const path = environment.get("CNI_PATH") ?? "";
  return { path, args: environment.get("CNI_ARGS") ?? "", netconf };
}

function decodeCheck(environment: Environment, stdin: string): CheckRequest {
  const config = configFor("CHECK", stdin);
  const invocation = invocationOf(environment, stdin);
  const attachment = attachmentOf(environment);
  const netns = netnsOf(environment);
  const { previousResult } = config;
  if (previousResult)
    return { command: "CHECK", invocation, config, attachment, netns, previousResult };
  throw new CniError(cniCode.invalidConfig, "prevResult is missing", {
    details: "CHECK compares what is there with what ADD answered",
  });
}

function decodeGc(config: NetworkConfig): GcRequest {
  const { validAttachments } = config;
  // An absent list is not an empty one: it would delete every attachment of the network.
  if (validAttachments) return { command: "GC", config, validAttachments };
  throw new CniError(cniCode.invalidConfig, "cni.dev/valid-attachments is missing", {
    details: "GC needs the attachments to keep; an empty list keeps none",
  });
}

function configFor(command: string, stdin: string): NetworkConfig {
  const config = parseNetworkConfig(stdin);
  requireCommand(command, config.cniVersion);
  return config;
}

function split(body: Uint8Array): { environment: Environment; stdin: string } {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const environment = new Map<string, string>();
  for (let at = 0; ;) {
    const end = bytes.indexOf(0, at);
    if (end < 0) {
      throw new CniError(cniCode.undecodable, "the request is cut off", {
        details: "no empty string ends the environment",
      });
    }
    if (end === at) return { environment, stdin: bytes.toString("utf8", end + 1) };
    const pair = bytes.toString("utf8", at, end);
    const equals = pair.indexOf("=");
    if (equals < 1) {
      throw new CniError(cniCode.undecodable, "the request's environment is malformed", {
        details: JSON.stringify(pair.slice(0, 80)),
      });
    }
    environment.set(pair.slice(0, equals), pair.slice(equals + 1));
    at = end + 1;
  }
}
