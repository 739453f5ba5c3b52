// Runs the plugin that hands out addresses where the agent does not (`ipam.type` of the network configuration), as CNI's
// specification says ("Plugin Delegation"): the same configuration and environment, another program.
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { isAbsolute, join } from "node:path";
import { type Attachment, CniError, cniCode } from "@tsilium/endpoint";
import type { Delegation } from "@tsilium/endpoint/model.ts";
import type { AddressPair } from "@tsilium/ipam/model.ts";
import { Address } from "@tsilium/net";

export type DelegatedCall = {
  readonly attachment: Attachment;
  /** Path of the container's namespace; "" where the runtime has lost it. */
  readonly netns: string;
  readonly signal?: AbortSignal;
};

const patienceMs = 20_000;
/** A result of a hundred addresses is not half as long. */
const mostOutputBytes = 65_536;

/** Asks the plugin for addresses. @throws CniError 107 with what it said, 11 when it took too long */
export async function delegatedAdd(
  delegation: Delegation,
  call: DelegatedCall,
): Promise<AddressPair> {
  const output = await run(delegation, "ADD", call);
  return addressesOf(delegation.type, output);
}

/** Gives them back; idempotent as far as the plugin is. @throws as delegatedAdd */
export async function delegatedDelete(delegation: Delegation, call: DelegatedCall): Promise<void> {
  await run(delegation, "DEL", call);
}

/** @throws as delegatedAdd */
export async function delegatedCheck(delegation: Delegation, call: DelegatedCall): Promise<void> {
  await run(delegation, "CHECK", call);
}

/** The program. @throws CniError 107 when no folder of CNI_PATH has it */
export function findPlugin({ type, path }: Pick<Delegation, "type" | "path">): string {
  const folders = path.split(":").filter((folder) => isAbsolute(folder));
  for (const folder of folders) {
    const file = join(folder, type);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // The next folder may have it.
    }
  }
  throw failed(type, `there is no program ${type} in CNI_PATH`, path || "CNI_PATH is empty");
}

/** One address of each family at the most. @throws CniError 107 */
export function addressesOf(type: string, output: string): AddressPair {
  const ips = listOf((parsed(output) ?? {})["ips"]);
  const addresses = ips.map(({ address }) => {
    const found =
      typeof address === "string" ? Address.tryParse(address.split("/")[0] ?? "") : undefined;
    if (found) return found;
    throw failed(
      type,
      "its result has an address that is none",
      JSON.stringify(address)?.slice(0, 80),
    );
  });
  const of = (family: 4 | 6) => {
    const own = addresses.filter((address) => address.family === family);
    if (own.length > 1)
      throw failed(type, `it gave more than one IPv${family} address`, own.join(", "));
    return own[0];
  };
  return { ipv4: of(4), ipv6: of(6) };
}

async function run(delegation: Delegation, command: string, call: DelegatedCall): Promise<string> {
  const { type, path, args, netconf } = delegation;
  const { attachment, netns, signal } = call;
  const late = AbortSignal.timeout(patienceMs);
  const child = spawn(findPlugin(delegation), [], {
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: attachment.containerId,
      CNI_NETNS: netns,
      CNI_IFNAME: attachment.ifName,
      CNI_ARGS: args,
      CNI_PATH: path,
      PATH: process.env["PATH"] ?? "",
    },
    stdio: ["pipe", "pipe", "pipe"],
    killSignal: "SIGKILL",
    signal: signal ? AbortSignal.any([signal, late]) : late,
  });
  const ended = Promise.withResolvers<number | null>();
  child.once("error", ended.reject);
  child.once("close", (code) => ended.resolve(code));
  const output = collected(child.stdout);
  const complaint = collected(child.stderr);
  // It may end without having read all.
  child.stdin.on("error", () => undefined).end(netconf);
  try {
    const status = await ended.promise;
    if (status === 0) return output();
    throw failureOf(type, { command, status, output: output(), complaint: complaint() });
  } catch (error) {
    if (error instanceof CniError || signal?.aborted) throw error;
    if (!late.aborted) throw failed(type, "it cannot be run", (error as Error).message);
    throw new CniError(cniCode.tryAgainLater, `the IPAM plugin ${type} did not answer`, {
      details: `${command} within ${patienceMs / 1000} s`,
      cause: error,
    });
  }
}

function collected(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  stream.on("data", (chunk: Buffer) => {
    if (length < mostOutputBytes) chunks.push(chunk);
    length += chunk.length;
  });
  return () => Buffer.concat(chunks).toString("utf8").slice(0, mostOutputBytes);
}

/** What a plugin prints when it fails is an error of CNI's; some print it, some complain. */
function failureOf(
  type: string,
  of: {
    readonly command: string;
    readonly status: number | null;
    readonly output: string;
    readonly complaint: string;
  },
): CniError {
  const { msg, details } = parsed(of.output) ?? {};
  const said = [msg, details].filter((text) => typeof text === "string" && text !== "").join(": ");
  const why = said || of.complaint.trim().slice(0, 500) || `it ended with status ${of.status}`;
  return failed(
    type,
    why,
    `${of.command}; its ranges and what it has given out are its own: see the ipam part of the network configuration`,
  );
}

function failed(type: string, why: string, details = ""): CniError {
  return new CniError(cniCode.ipamPluginFailed, `the IPAM plugin ${type} failed: ${why}`, {
    details,
  });
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function listOf(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return [];
  return value.filter((each) => typeof each === "object" && each !== null);
}
