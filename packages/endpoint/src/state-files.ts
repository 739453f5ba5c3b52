// Endpoints on disk, `<run-dir>/state/<id>.json`: what an agent needs to take up its pods again after it
// died. Files appear whole (written beside, renamed). They are not synced to the disk: the folder is on
// tmpfs, and after a reboot there are no pods.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Address, Labels, Mac } from "@tsilium/net";
import { EndpointError } from "./error.ts";
import type { Endpoint, EndpointState } from "./model.ts";
import { endpointStates } from "./states.ts";

/** Raised when the meaning of a field changes; files of another format are refused, not guessed at. */
const format = 1;

export class StateFiles {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Writes or replaces an endpoint's file. @throws NodeJS.ErrnoException when the disk refuses. */
  write(endpoint: Endpoint): void {
    const path = this.#path(endpoint.id);
    writeFileSync(`${path}.draft`, encodeEndpoint(endpoint), { mode: 0o600 });
    renameSync(`${path}.draft`, path);
  }

  remove(id: number): void {
    rmSync(this.#path(id), { force: true });
  }

  /** Every endpoint on disk, and the files that are none; those are left where they are. */
  readAll(): { endpoints: Endpoint[]; invalid: { file: string; error: EndpointError }[] } {
    const endpoints: Endpoint[] = [];
    const invalid: { file: string; error: EndpointError }[] = [];
    for (const name of readdirSync(this.folder)) {
      const id = /^([0-9]+)\.json$/.exec(name)?.[1];
      if (id === undefined) continue;
      const file = join(this.folder, name);
      try {
        const endpoint = decodeEndpoint(readFileSync(file, "utf8"));
        if (endpoint.id !== Number(id)) throw invalidFile(`it holds endpoint ${endpoint.id}`);
        endpoints.push(endpoint);
      } catch (error) {
        invalid.push({
          file,
          error: error instanceof EndpointError ? error : invalidFile(String(error), error),
        });
      }
    }
    return { endpoints, invalid };
  }

  #path(id: number): string {
    return join(this.folder, `${id}.json`);
  }
}

/** An endpoint as JSON text. */
export function encodeEndpoint(endpoint: Endpoint): string {
  // Address and Mac write themselves as text (toJSON).
  const { policy: _, netnsCookie, ...kept } = endpoint;
  const texts = { netnsCookie: netnsCookie.toString(), labels: endpoint.labels.toArray() };
  return JSON.stringify({ format, ...kept, ...texts });
}

/** @throws EndpointError state_file_invalid on anything that encodeEndpoint did not write. */
export function decodeEndpoint(text: string): Endpoint {
  const fields = parseFields(text);
  if (fields["format"] !== format) throw invalidFile(`its format is ${String(fields["format"])}`);
  const textOf = (key: string) => textField(fields, key);
  const address = (key: string) =>
    fields[key] === undefined ? undefined : Address.parse(textOf(key));
  const state = textOf("state");
  if (!isState(state)) throw invalidFile(`its state is ${state}`);
  try {
    return {
      id: numberField(fields, "id"),
      state,
      containerId: textOf("containerId"),
      containerInterface: textOf("containerInterface"),
      network: textOf("network"),
      interfaceName: textOf("interfaceName"),
      ifindex: numberField(fields, "ifindex"),
      netns: textOf("netns"),
      netnsCookie: cookieField(fields),
      mac: Mac.parse(textOf("mac")),
      nodeMac: Mac.parse(textOf("nodeMac")),
      ipv4: address("ipv4"),
      ipv6: address("ipv6"),
      namespace: textOf("namespace"),
      podName: textOf("podName"),
      podUid: textOf("podUid"),
      labels: Labels.parse(labelsField(fields)),
      identity: numberField(fields, "identity"),
      createdAt: textOf("createdAt"),
      attachedAt: fields["attachedAt"] === undefined ? undefined : textOf("attachedAt"),
      ...(fields["chained"] === true ? { chained: true } : {}),
      ...delegationField(fields),
    };
  } catch (cause) {
    throw cause instanceof EndpointError ? cause : invalidFile((cause as Error).message, cause);
  }
}

function parseFields(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw invalidFile((cause as Error).message, cause);
  }
  throw invalidFile("it holds no object");
}

function textField(fields: Record<string, unknown>, key: string): string {
  const value = fields[key];
  if (typeof value === "string") return value;
  throw invalidFile(`${key} is no text`);
}

function numberField(fields: Record<string, unknown>, key: string): number {
  const value = fields[key];
  if (Number.isInteger(value)) return value as number;
  throw invalidFile(`${key} is no whole number`);
}

/** Files of before there was one are without. */
function cookieField(fields: Record<string, unknown>): bigint {
  if (fields["netnsCookie"] === undefined) return 0n;
  const value = textField(fields, "netnsCookie");
  if (/^[0-9]{1,20}$/.test(value)) return BigInt(value);
  throw invalidFile(`netnsCookie is ${value}`);
}

function delegationField(fields: Record<string, unknown>): Pick<Endpoint, "delegation"> {
  const value = fields["delegation"];
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null) throw invalidFile("delegation is no object");
  const of = value as Record<string, unknown>;
  const textOf = (key: string) => textField(of, key);
  return {
    delegation: {
      type: textOf("type"),
      path: textOf("path"),
      args: textOf("args"),
      netconf: textOf("netconf"),
    },
  };
}

function labelsField(fields: Record<string, unknown>): string[] {
  const value = fields["labels"];
  if (Array.isArray(value) && value.every((label) => typeof label === "string")) return value;
  throw invalidFile("labels is no list of texts");
}

function isState(text: string): text is EndpointState {
  return (endpointStates as string[]).includes(text);
}

function invalidFile(message: string, cause?: unknown): EndpointError {
  return new EndpointError("state_file_invalid", message, { cause });
}
