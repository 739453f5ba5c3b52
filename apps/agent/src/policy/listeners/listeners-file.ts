// Which rule set has which port, on disk: slots in the kernel and connections of proxies outlive the agent, and a port
// must mean the same to the next one. A file that cannot be read is as good as none: then no port that the kernel still
// refers to is given out (listeners.ts).
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { RuleSet } from "@tsilium/policy/model.ts";
import { listenerPorts, type ListenerRules } from "@tsilium/proxy/model.ts";

export type SavedListener = ListenerRules & {
  /** Hash of what the rule set says, whatever numbers its rules have. */
  readonly content: string;
  /** Whose share it counts for; "": nobody's. */
  readonly namespace: string;
};

export type SavedListeners = {
  readonly listeners: readonly SavedListener[];
  /** Ports that other rule sets had before, longest ago first. */
  readonly used: readonly number[];
  /** The last version of any listener. */
  readonly version: number;
};

const format = 1;

export class ListenersFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** undefined: there is none that can be read whole. */
  read(): SavedListeners | undefined {
    try {
      return parse(JSON.parse(readFileSync(this.#path, "utf8")));
    } catch {
      return undefined;
    }
  }

  /** All of it or nothing: a reader sees the one before or this one. @throws the file system's error */
  write(saved: SavedListeners): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o711 });
    const draft = `${this.#path}.new`;
    writeFileSync(draft, JSON.stringify({ format, ...saved }), { mode: 0o600 });
    renameSync(draft, this.#path);
  }
}

function parse(value: unknown): SavedListeners | undefined {
  if (!isObject(value) || value["format"] !== format) return undefined;
  const { listeners, used, version } = value;
  if (!Array.isArray(listeners) || !Array.isArray(used) || !isCount(version)) return undefined;
  if (!listeners.every(isSaved) || !used.every(isCount)) return undefined;
  const ports = new Set(listeners.map(({ port }) => port));
  const contents = new Set(listeners.map(({ content }) => content));
  const isOnce = ports.size === listeners.length && contents.size === listeners.length;
  return isOnce ? { listeners, used, version } : undefined;
}

/** As far as it is relied on here: who enforces a rule set reads it closely. */
function isSaved(value: unknown): value is SavedListener {
  if (!isObject(value)) return false;
  const { port, version, content, namespace, ruleSet } = value;
  if (
    typeof namespace !== "string" ||
    !isCount(port) ||
    !isCount(version) ||
    typeof content !== "string"
  )
    return false;
  if (!/^[0-9a-f]{64}$/.test(content) || !isObject(ruleSet)) return false;
  const { direction, kind, rules, denyRule } = ruleSet as Partial<RuleSet>;
  if (direction !== "ingress" && direction !== "egress") return false;
  if (kind === undefined || !Object.hasOwn(listenerPorts[direction], kind)) return false;
  const { first, last } = listenerPorts[direction][kind];
  if (port < first || port > last || !isCount(denyRule) || !Array.isArray(rules)) return false;
  return rules.every((one: unknown) => isObject(one) && isCount(one["rule"]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
