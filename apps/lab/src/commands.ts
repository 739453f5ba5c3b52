// `tsilium lab ...`: the words and their options. Each command loads what it needs when it runs.
import { type Command, InvalidArgumentError, Option } from "commander";

export function registerLabCommands(program: Command): void {
  const lab = named(program.command("lab")).description(
    "a whole cluster on this machine: nodes are network namespaces, pods are processes",
  );
  registerLifeCycle(lab);
  registerObjects(lab);
  registerExec(lab);
}

function registerLifeCycle(lab: Command): void {
  named(lab.command("up"))
    .description("start a lab; returns when every node is ready")
    .option("--nodes <count>", "how many nodes", positive, 2)
    .option("--set <key=value>", "a key of the agent's configuration (repeatable)", collect)
    .option("--wait", "wait for cluster DNS as well")
    .action(async (options, command: Command) => {
      const { up } = await import("./commands/up.ts");
      await up(labName(command), options);
    });
  output(named(lab.command("status")), ["table", "json", "yaml"])
    .description("what a lab consists of and whether it runs")
    .action(async (_options, command: Command) => {
      const { status } = await import("./commands/status.ts");
      await status(labName(command), command);
    });
  named(lab.command("down"))
    .description("take a lab down and remove everything it made")
    .action(async (_options, command: Command) => {
      const { down } = await import("./commands/down.ts");
      await down(labName(command));
    });
  named(lab.command("kubeconfig"))
    .description(
      "print the path of the lab's kubeconfig: export KUBECONFIG=$(tsilium lab kubeconfig)",
    )
    .action(async (_options, command: Command) => {
      const { runningLab } = await import("./state.ts");
      console.log(runningLab(labName(command)).lab.kubeconfig);
    });
  named(lab.command("ui"))
    .description("serve a web page of the lab's flows on this machine's loopback, until Ctrl-C")
    .option("--port <port>", "port on 127.0.0.1; 0: any free one", port, 12_000)
    .option("--no-open", "do not open it in a browser")
    .action(async (options, command: Command) => {
      const { ui } = await import("./commands/ui.ts");
      await ui(labName(command), options);
    });
}

function registerObjects(lab: Command): void {
  namespaced(named(lab.command("apply")))
    .description("create or change objects")
    .requiredOption(
      "-f, --filename <file>",
      "file with YAML or JSON documents, - for stdin (repeatable)",
      collect,
    )
    .action(async (options, command: Command) => {
      const { apply } = await import("./commands/apply.ts");
      await apply(labName(command), options);
    });
  namespaced(named(lab.command("delete")))
    .description("delete objects and wait until they are gone")
    .argument("[kind]", "instead of -f: a kind, or KIND/NAME")
    .argument("[names...]")
    .option(
      "-f, --filename <file>",
      "file with YAML or JSON documents, - for stdin (repeatable)",
      collect,
    )
    .addOption(timeout("how long to wait"))
    .option("--grace-period <seconds>", "instead of the pods' own", wholeNumber)
    .action(async (kind: string | undefined, names: string[], options, command: Command) => {
      const { deleteObjects } = await import("./commands/delete.ts");
      await deleteObjects(labName(command), { ...options, kind, names });
    });
  output(namespaced(named(lab.command("get"))), ["table", "wide", "json", "yaml", "name"])
    .description("print objects")
    .argument("<kind>", "pods, po, deployments.apps, ... or KIND/NAME")
    .argument("[name]")
    .option("-A, --all-namespaces", "of every namespace")
    .option("-l, --selector <labels>", "only objects with these labels")
    .option("--show-managed-fields", "with who set which field, in json and yaml")
    .action(async (kind: string, name: string | undefined, options, command: Command) => {
      const { get } = await import("./commands/get.ts");
      await get(labName(command), { ...options, kind, name });
    });
  namespaced(named(lab.command("wait")))
    .description("wait until a lab has caught up with what was applied")
    .option("-A, --all-namespaces", "what is in any namespace")
    .addOption(
      new Option("--for <what>", "ready: pods and workloads; policy: every node's kernel")
        .choices(["ready", "policy"])
        .default("ready"),
    )
    .addOption(timeout("give up after this long"))
    .action(async (options, command: Command) => {
      const { wait } = await import("./commands/wait.ts");
      await wait(labName(command), options);
    });
}

function registerExec(lab: Command): void {
  namespaced(named(lab.command("exec")))
    .description("run a command inside a pod; the exit status is the command's")
    .usage("[-n NAMESPACE] POD [-c CONTAINER] -- COMMAND...")
    .argument("<pod>")
    .argument("<command...>")
    .option("-c, --container <name>", "default: the pod's first")
    .option("-i, --stdin", "for kubectl's sake: stdin is always passed on")
    .option("-t, --tty", "for kubectl's sake: a terminal is used where there is one")
    .action(async (pod: string, argv: string[], options, command: Command) => {
      const { execInPod } = await import("./commands/exec.ts");
      await execInPod(labName(command), { ...options, pod, argv });
    });
  const node = named(lab.command("node")).description("a lab's nodes");
  named(node.command("exec"))
    .description("run a command in a node's network namespace")
    .usage("NODE -- COMMAND...")
    .argument("<node>")
    .argument("<command...>")
    .action(async (name: string, argv: string[], _options, command: Command) => {
      const { execOnNode } = await import("./commands/exec.ts");
      execOnNode(labName(command), name, argv);
    });
  const world = named(lab.command("world")).description("the host outside of the cluster");
  named(world.command("exec"))
    .description("run a command on the world host")
    .usage("-- COMMAND...")
    .argument("<command...>")
    .action(async (argv: string[], _options, command: Command) => {
      const { execInWorld } = await import("./commands/exec.ts");
      execInWorld(labName(command), argv);
    });
}

/** Takes --name; it may stand at any of the words. */
function named(command: Command): Command {
  return command.option("--name <name>", "the lab's name (default: $TSILIUM_LAB, else lab)");
}

function namespaced(command: Command): Command {
  return command.option(
    "-n, --namespace <namespace>",
    'default: "default", or what a manifest says',
  );
}

function output(command: Command, formats: readonly string[]): Command {
  return command.addOption(
    new Option("-o, --output <format>", "how to print").choices(formats).default("table"),
  );
}

function timeout(description: string): Option {
  return new Option("--timeout <duration>", description).argParser(duration).default(60_000, "60s");
}

/** The name given nearest to the end of the words. */
function labName(command: Command): string {
  for (let at: Command | null = command; at; at = at.parent) {
    const { name } = at.opts<{ name?: string }>();
    if (name !== undefined) return name;
  }
  return process.env["TSILIUM_LAB"] || "lab";
}

function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value];
}

function wholeNumber(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Not a whole number.");
}

function port(text: string): number {
  const number = wholeNumber(text);
  if (number <= 65_535) return number;
  throw new InvalidArgumentError("At most 65535.");
}

function positive(text: string): number {
  const number = wholeNumber(text);
  if (number > 0) return number;
  throw new InvalidArgumentError("At least 1.");
}

/** "60s", "2m", "500ms", or seconds; in milliseconds. */
function duration(text: string): number {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (!found) throw new InvalidArgumentError("Not a duration: 60s, 2m, 500ms.");
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[found[2] ?? "s"] ?? 1000;
  return Number(found[1]) * unit;
}
