// EndpointSlices: endpoints of one service and family. Parsed once per object: of 10,000 endpoints whose one changes, only
// the slice that it is in is read again.
import { serviceNameLabel } from "@tsilium/kube";
import { Address, type Family } from "@tsilium/net";
import {
  type BackendState,
  type DecidedBackend,
  endpointText,
  type ServiceProtocol,
  type ServiceWarning,
} from "../model.ts";
import { addressProblem } from "./address.ts";
import { addWarning, isWhole, listOf, quoted, recordOf } from "./field.ts";
import { parseProtocol } from "./protocol.ts";

export type SlicePort = {
  /** The service port's name. */
  readonly name: string;
  readonly protocol: ServiceProtocol;
  readonly backends: readonly DecidedBackend[];
};

export type ParsedSlice = {
  readonly name: string;
  readonly family: Family;
  readonly ports: readonly SlicePort[];
  readonly warnings: readonly ServiceWarning[];
};

/** service.cilium.io/weight: of all the slice's endpoints. */
const weightAnnotation = "service.cilium.io/weight";
const defaultWeight = 100;

/** The service that a slice is of, as "ns/name". */
export function sliceService(slice: unknown): string | undefined {
  const metadata = recordOf(recordOf(slice)?.["metadata"]);
  const name = recordOf(metadata?.["labels"])?.[serviceNameLabel];
  const namespace = metadata?.["namespace"];
  return typeof name === "string" && name !== "" && typeof namespace === "string"
    ? `${namespace}/${name}`
    : undefined;
}

const families: ReadonlyMap<unknown, Family> = new Map([
  ["IPv4", 4],
  ["IPv6", 6],
]);

const parsed = new WeakMap<object, ParsedSlice>();

/** undefined of what is no slice of addresses (addressType FQDN, or anything at all). */
export function parseSlice(slice: unknown): ParsedSlice | undefined {
  const record = recordOf(slice);
  if (!record) return undefined;
  const known = parsed.get(record);
  if (known) return known;
  const family = families.get(record["addressType"]);
  if (!family) return undefined;
  const found = parseRecord(record, family);
  parsed.set(record, found);
  return found;
}

type EndpointFacts = Omit<DecidedBackend, "key" | "port" | "protocol">;

function parseRecord(record: Readonly<Record<string, unknown>>, family: Family): ParsedSlice {
  const warnings: ServiceWarning[] = [];
  const metadata = recordOf(record["metadata"]);
  const name = typeof metadata?.["name"] === "string" ? metadata["name"] : "";
  const warn = (path: string, message: string) =>
    addWarning(warnings, { path: `EndpointSlice ${name}: ${path}`, message });
  const weight = parseWeight(metadata, warn);
  const endpoints = listOf(record["endpoints"]).flatMap((endpoint, index) => {
    const facts = parseEndpoint(endpoint, family, weight);
    if (typeof facts !== "string") return facts ?? [];
    warn(`endpoints[${index}].addresses[0]`, facts);
    return [];
  });
  return { name, family, ports: parsePorts(record["ports"], endpoints, warn), warnings };
}

type Warn = (path: string, message: string) => void;

/** 0: in maintenance. What is no weight is as if it were not there. */
function parseWeight(metadata: Readonly<Record<string, unknown>> | undefined, warn: Warn): number {
  const text = recordOf(metadata?.["annotations"])?.[weightAnnotation];
  if (text === undefined) return defaultWeight;
  const weight = typeof text === "string" && /^[0-9]{1,5}$/.test(text) ? Number(text) : -1;
  if (isWhole(weight, 0, 65535)) return weight;
  warn(`metadata.annotations[${weightAnnotation}]`, "must be a number from 0 to 65535");
  return defaultWeight;
}

/** Text: why it is no backend. undefined: it is no endpoint. */
function parseEndpoint(
  value: unknown,
  family: Family,
  weight: number,
): EndpointFacts | string | undefined {
  const endpoint = recordOf(value);
  // Addresses beyond the first are the same endpoint's: consumers take the first.
  const [text] = listOf(endpoint?.["addresses"]);
  if (!endpoint || typeof text !== "string") return undefined;
  const address = Address.tryParse(text);
  if (address?.family !== family) return `${quoted(text)} is not an IPv${family} address`;
  const problem = addressProblem(address);
  if (problem !== undefined) return problem;
  const { nodeName, zone } = endpoint;
  const hints = recordOf(endpoint["hints"]);
  return {
    address,
    ...parseConditions(endpoint["conditions"], weight),
    nodeName: typeof nodeName === "string" ? nodeName : undefined,
    zone: typeof zone === "string" ? zone : undefined,
    weight,
    forZones: parseHints(hints?.["forZones"]),
    forNodes: parseHints(hints?.["forNodes"]),
  };
}

/**
 * As kube-proxy reads them: not saying ready or serving is both, not saying terminating is neither. A ready one that
 * terminates (publishNotReadyAddresses) is active.
 */
function parseConditions(
  value: unknown,
  weight: number,
): { readonly state: BackendState; readonly serving: boolean } {
  const conditions = recordOf(value);
  if (weight === 0) return { state: "maintenance", serving: false };
  if ((conditions?.["ready"] ?? true) === true) return { state: "active", serving: true };
  if (conditions?.["terminating"] !== true) return { state: "maintenance", serving: false };
  return { state: "terminating", serving: (conditions["serving"] ?? true) === true };
}

function parseHints(value: unknown): readonly string[] | undefined {
  const names = listOf(value).flatMap((hint) => {
    const name = recordOf(hint)?.["name"];
    return typeof name === "string" ? name : [];
  });
  return names.length > 0 ? names : undefined;
}

function parsePorts(value: unknown, endpoints: readonly EndpointFacts[], warn: Warn): SlicePort[] {
  const ports: SlicePort[] = [];
  for (const [index, item] of listOf(value).entries()) {
    const { name, port } = recordOf(item) ?? {};
    const protocol = parseProtocol(recordOf(item)?.["protocol"]);
    // Without a number it is all ports, which no frontend can be sent to.
    if (port === undefined || port === null) continue;
    if (protocol === undefined || !isWhole(port, 1, 65535)) {
      warn(`ports[${index}]`, "is no port of TCP, UDP or SCTP");
      continue;
    }
    ports.push({
      name: typeof name === "string" ? name : "",
      protocol,
      backends: endpoints.map((facts) => ({
        key: endpointText(facts.address, port, protocol),
        ...facts,
        port,
        protocol,
      })),
    });
  }
  return ports;
}
