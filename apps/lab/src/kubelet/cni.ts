// A container runtime's side of CNI (specification 1.1.0, sections 3 and 4): reads the node's configuration
// and executes its plugins, one after another on ADD, in reverse on DEL.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { withNetns } from "@tsilium/syscall";
import type { NodeLayout } from "../layout.ts";
import { launch, type Launched } from "../runner/launch.ts";

type PluginConfig = Readonly<Record<string, unknown>> & { readonly type: string };
type NetworkConfig = {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly PluginConfig[];
};

export type CniResult = {
  readonly ips?: readonly { readonly address: string; readonly interface?: number }[];
  readonly [key: string]: unknown;
};

export type Attachment = {
  readonly containerId: string;
  readonly netns: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly podUid: string;
};

/** `code` is the plugin's own error code, or "not_configured", "plugin_missing", "bad_answer". */
export class CniError extends Error {
  readonly code: number | string;

  constructor(code: number | string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CniError";
    this.code = code;
  }
}

const patienceMs = 120_000;

/** Whether a configuration is there: what makes a node ready for pods. */
export function isCniConfigured(node: NodeLayout): boolean {
  return configFile(node) !== undefined;
}

/** Attaches a pod. @throws CniError; what was done is undone by `cniDel`. */
export async function cniAdd(node: NodeLayout, attachment: Attachment): Promise<CniResult> {
  const config = readConfig(node);
  let result: CniResult = {};
  for (const plugin of config.plugins) {
    const text = await execute({
      command: "ADD",
      node,
      attachment,
      plugin,
      config,
      previous: result,
    });
    try {
      result = JSON.parse(text) as CniResult;
    } catch (cause) {
      throw new CniError(
        "bad_answer",
        `${plugin.type} ADD printed no JSON: ${text.slice(0, 200)}`,
        {
          cause,
        },
      );
    }
  }
  return result;
}

/** Detaches a pod; one that is not attached is detached. @throws CniError */
export async function cniDel(
  node: NodeLayout,
  attachment: Attachment,
  previous: CniResult | undefined,
): Promise<void> {
  if (!isCniConfigured(node)) return;
  const config = readConfig(node);
  for (const plugin of config.plugins.toReversed())
    await execute({ command: "DEL", node, attachment, plugin, config, previous });
}

/** The first file by name is the network (as containerd and CRI-O choose). */
function configFile(node: NodeLayout): string | undefined {
  try {
    const name = readdirSync(node.cniConfDir)
      .filter((file) => /\.(conflist|conf|json)$/.test(file))
      .toSorted()[0];
    return name === undefined ? undefined : join(node.cniConfDir, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function readConfig(node: NodeLayout): NetworkConfig {
  const file = configFile(node);
  if (!file)
    throw new CniError(
      "not_configured",
      `no CNI configuration in ${node.cniConfDir}: the agent is not ready`,
    );
  const config = JSON.parse(readFileSync(file, "utf8")) as NetworkConfig & PluginConfig;
  return file.endsWith(".conflist") ? config : { ...config, plugins: [config] };
}

type Execution = {
  readonly command: "ADD" | "DEL";
  readonly node: NodeLayout;
  readonly attachment: Attachment;
  readonly plugin: PluginConfig;
  readonly config: NetworkConfig;
  readonly previous: CniResult | undefined;
};

async function execute(execution: Execution): Promise<string> {
  const { command, node, attachment, plugin, config, previous } = execution;
  const { podName, podNamespace, podUid, containerId, netns } = attachment;
  const hasPrevious = previous !== undefined && Object.keys(previous).length > 0;
  const input = JSON.stringify({
    ...plugin,
    cniVersion: config.cniVersion,
    name: config.name,
    ...(hasPrevious ? { prevResult: previous } : {}),
  });
  const environment = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: "eth0",
    CNI_PATH: node.cniBinDir,
    CNI_ARGS: [
      "IgnoreUnknown=1",
      `K8S_POD_NAMESPACE=${podNamespace}`,
      `K8S_POD_NAME=${podName}`,
      `K8S_POD_INFRA_CONTAINER_ID=${containerId}`,
      `K8S_POD_UID=${podUid}`,
    ].join(";"),
  };
  const path = join(node.cniBinDir, plugin.type);
  const { status, output, errors } = await run(path, { environment, input, netns: node.netns });
  if (status === 0) return output;
  throw failure(`${plugin.type} ${command}`, output, errors);
}

function failure(what: string, output: string, errors: string): CniError {
  try {
    const { code, msg, details } = JSON.parse(output) as Record<string, unknown>;
    return new CniError(
      code as number,
      `${what}: ${String(msg)}${details ? `: ${String(details)}` : ""}`,
    );
  } catch {
    return new CniError("bad_answer", `${what} failed: ${(errors || output).trim().slice(0, 500)}`);
  }
}

type Outcome = { readonly status: number; readonly output: string; readonly errors: string };

async function run(
  path: string,
  options: {
    readonly environment: Readonly<Record<string, string>>;
    readonly input: string;
    readonly netns: string;
  },
): Promise<Outcome> {
  const { environment, input, netns } = options;
  let child: Launched;
  try {
    // A plugin runs in its node's namespace, as on a real host.
    child = withNetns(netns, () => launch({ path, argv: [path], environment, input }));
  } catch (cause) {
    throw new CniError("plugin_missing", `cannot run ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
  const timer = setTimeout(() => child.signal("SIGKILL"), patienceMs);
  const status = await child.exited;
  clearTimeout(timer);
  return { status, output: await child.read(1), errors: await child.read(2) };
}
