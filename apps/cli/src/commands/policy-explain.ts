// `tsilium policy explain`: why packets from one end to another get through or not, from the policy that is in force.
import type { Command } from "commander";
import type { End, Explanation, RuleView } from "@tsilium/policy-test";
import { getJson } from "../agent-client.ts";
import type { IdentityView, PolicyState } from "../api.ts";
import { agentContext } from "../context.ts";
import { CommandError } from "../failure.ts";
import { printable, printStructured, withOutput } from "../output.ts";
import { type RequestOptions, requestText, withRequest } from "../policy/request-options.ts";
import { identityName } from "../reserved.ts";

type ExplainOptions = RequestOptions & {
  readonly from: string;
  readonly to: string;
  readonly port: string;
};
type ExplainedEnd = { readonly name: string; readonly identity: number; readonly address?: string };
type Explained = Explanation & { readonly from: ExplainedEnd; readonly to: ExplainedEnd };

export function registerPolicyExplain(policy: Command): void {
  const command = policy
    .command("explain")
    .description("why packets get through or not: the rule in each direction, or who isolates");
  withRequest(withOutput(command))
    .requiredOption(
      "--from <who>",
      "who sends: NAMESPACE/POD, an address, a DNS name, world, host, ...",
    )
    .requiredOption("--to <who>", "who receives")
    .requiredOption("--port <port>", "80/tcp, 53/udp, a container port's name, icmp, icmpv6/128")
    .addHelpText(
      "after",
      `
Rules that look into requests are asked with --http, --dns, --kafka or --sni; values of secrets are not known here.

Examples:
  tsilium policy explain --from shop/frontend --to shop/backend --port 80/tcp
  tsilium policy explain --from 203.0.113.10 --to shop/backend --port http
  tsilium policy explain --from shop/frontend --to shop/backend --port 80 --http "GET /public" --header "x-role: admin"
  tsilium policy explain --from shop/frontend --to api.example.com --port 443/tcp
  tsilium policy explain --from shop/frontend --to kube-system/dns --port 53/udp --dns api.example.com
  tsilium --node node-2 policy explain --from host --to shop/backend --port icmp -o json`,
    )
    .action(async (options: ExplainOptions, command: Command) => {
      const { socket } = agentContext(command);
      const explained = await ask(socket, options);
      if (await printStructured(command, explained)) return;
      const text = await inWords(socket, options, explained);
      for (const line of text.split("\n")) console.log(printable(line));
    });
}

async function ask(socket: string, options: ExplainOptions): Promise<Explained> {
  const { from, to, port } = options;
  const { explainRequest, parseRequest, TestError } = await import("@tsilium/policy-test");
  const number = /^[0-9]+/.exec(port)?.[0];
  try {
    const request = parseRequest(
      requestText(options),
      number === undefined ? undefined : Number(number),
    );
    const query = new URLSearchParams({ from, to, port });
    const explained = await getJson<Explained>(socket, `/v1/policy/explain?${query}`);
    return request ? { ...explained, ...explainRequest(explained, request) } : explained;
  } catch (error) {
    if (!(error instanceof TestError)) throw error;
    throw new CommandError(error.message);
  }
}

async function inWords(
  socket: string,
  options: ExplainOptions,
  explained: Explained,
): Promise<string> {
  const { from, to, port } = options;
  const { describe, requestName } = await import("@tsilium/policy-test");
  const request = requestName(requestText(options));
  const [{ policies }, fromEnd, toEnd] = await Promise.all([
    getJson<PolicyState>(socket, "/v1/policy/state"),
    endOf(socket, explained.from),
    endOf(socket, explained.to),
  ]);
  const objectOf = ({ kind, namespace, name }: RuleView) =>
    policies.find(
      (object) =>
        object.kind === kind &&
        object.metadata.name === name &&
        (object.metadata.namespace ?? "") === namespace,
    );
  return describe({
    question: {
      from: shown(from, explained.from),
      to: shown(to, explained.to),
      port,
      ...(request === undefined ? {} : { request }),
    },
    explanation: explained,
    objectOf,
    ends: { from: fromEnd, to: toEnd },
  });
}

/** As it was asked for; an address with the name of who has it. */
function shown(text: string, { name }: ExplainedEnd): string {
  return name === text ? text : `${text} (${name})`;
}

/** Who it is, as a rule can name it. */
async function endOf(socket: string, { identity, address, name }: ExplainedEnd): Promise<End> {
  const { labels } = await getJson<IdentityView>(socket, `/v1/identity/${identity}`);
  const pairs = labels.flatMap((label) => {
    const [, key, value = ""] = /^k8s:([^=]*)=?(.*)$/.exec(label) ?? [];
    return key === undefined ? [] : [[key, value] as const];
  });
  const namespace = pairs.find(([key]) => key === "io.kubernetes.pod.namespace")?.[1];
  if (namespace !== undefined) {
    const own = pairs.filter(([key]) => !/^io\.(kubernetes|cilium)\./.test(key));
    return { kind: "pod", namespace, labels: Object.fromEntries(own) };
  }
  const isWorld = labels.some((label) => label.startsWith("reserved:world"));
  if (isWorld && address !== undefined) return { kind: "address", address };
  return { kind: "entity", name: isWorld ? name : identityName(identity) };
}
