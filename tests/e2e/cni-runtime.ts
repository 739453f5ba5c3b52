// A container runtime as far as CNI sees one: network namespaces, and the installed plugin run with the
// specification's environment and the installed configuration.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, run, type Lab, type Result } from "./harness.ts";

export type CniAnswer = {
  readonly status: number;
  readonly json: Record<string, unknown> | undefined;
  readonly text: string;
};
export type Overrides = {
  readonly cniVersion?: string;
  readonly stdin?: string;
  readonly config?: Record<string, unknown>;
  readonly environment?: Record<string, string | undefined>;
};

const plugin = join(root, "dist/bin/tsilium-cni");

export class CniRuntime {
  readonly #config: Record<string, unknown>;
  readonly #prefix: string;
  readonly #namespaces = new Set<string>();
  readonly #attached = new Set<string>();

  /** @param node the lab node whose agent the installed configuration names */
  constructor(lab: Lab, node: string) {
    const folder = `/var/run/tsilium/lab/${lab.name}/${node}/cni/net.d`;
    const list = JSON.parse(readFileSync(join(folder, "05-tsilium.conflist"), "utf8"));
    // What a runtime does with a list: one plugin's part, with the list's name and version.
    this.#config = { cniVersion: list.cniVersion, name: list.name, ...list.plugins[0] };
    this.#prefix = `tsit-${lab.name}-`;
  }

  netns(id: string): string {
    return `/var/run/netns/${this.#prefix}${id}`;
  }

  async makeNetns(id: string): Promise<string> {
    const made = await run("ip", ["netns", "add", `${this.#prefix}${id}`]);
    assert.equal(made.status, 0, made.stderr);
    this.#namespaces.add(id);
    return this.netns(id);
  }

  async removeNetns(id: string): Promise<void> {
    await run("ip", ["netns", "delete", `${this.#prefix}${id}`]);
    this.#namespaces.delete(id);
  }

  /** Runs the plugin. The environment is the usual one for `id`; an override of undefined removes a variable. */
  async command(command: string, id: string, overrides: Overrides = {}): Promise<CniAnswer> {
    const environment: Record<string, string | undefined> = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: `${this.#prefix}${id}`,
      CNI_NETNS: this.netns(id),
      CNI_IFNAME: "eth0",
      CNI_PATH: join(root, "dist/bin"),
      ...overrides.environment,
    };
    const words = Object.entries(environment).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${value}`],
    );
    const config = {
      ...this.#config,
      ...(overrides.cniVersion ? { cniVersion: overrides.cniVersion } : {}),
      ...overrides.config,
    };
    if (command === "ADD") this.#attached.add(id);
    if (command === "DEL") this.#attached.delete(id);
    return answerOf(
      await run("env", ["-i", ...words, plugin], {
        input: overrides.stdin ?? JSON.stringify(config),
      }),
    );
  }

  /** ADD that must succeed. */
  async add(id: string, overrides: Overrides = {}): Promise<Record<string, unknown>> {
    const answer = await this.command("ADD", id, overrides);
    assert.equal(answer.status, 0, answer.text);
    return answer.json as Record<string, unknown>;
  }

  /** DEL that must succeed. */
  async del(id: string, overrides: Overrides = {}): Promise<void> {
    const answer = await this.command("DEL", id, overrides);
    assert.equal(answer.status, 0, answer.text);
  }

  /** Deletes what tests left attached, then the namespaces. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.#attached) await this.command("DEL", id);
    for (const id of this.#namespaces) await this.removeNetns(id);
  }
}

function answerOf({ status, stdout, stderr }: Result): CniAnswer {
  const text = `${stdout}${stderr}`;
  try {
    return { status, json: stdout.trim() === "" ? undefined : JSON.parse(stdout), text };
  } catch {
    assert.fail(`the plugin printed no JSON: ${text}`);
  }
}
