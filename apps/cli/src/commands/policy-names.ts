// Names for the numbers in the kernel's maps, from the agent where one answers.
import { getJson } from "../agent-client.ts";
import type { IdentityView, RuleNumberView } from "../api.ts";
import { CommandError } from "../failure.ts";
import { identityName } from "../reserved.ts";

export type Names = {
  /** "CiliumNetworkPolicy shop/web spec.ingress[0]", "default deny of ..."; "rule 17" where nobody knows, "-" for none. */
  rule(number: number): string;
  /** "host", "25246 (shop app=frontend)", "17398108 (fqdn:api.shop.example)" */
  identity(id: number): string;
};

export async function namesOf(socket: string): Promise<Names> {
  const [rules, identities] = await Promise.all([
    orNothing(getJson<RuleNumberView[]>(socket, "/v1/policy/rules")),
    orNothing(getJson<IdentityView[]>(socket, "/v1/identity")),
  ]);
  const rulesByNumber = new Map(rules.map(({ number, name }) => [number, name]));
  const labels = new Map(identities.map((identity) => [identity.id, identity.labels]));
  return {
    rule: (number) => rulesByNumber.get(number) ?? (number === 0 ? "-" : `rule ${number}`),
    identity: (id) => {
      const own = labels.get(id) ?? [];
      const names = own.filter((label) => label.startsWith("fqdn:"));
      if (names.length > 0) return `${id} (${names.join(" ")})`;
      const name = reservedName(id, own);
      if (name !== undefined) return name;
      const known = shortLabels(own);
      return known === "" ? String(id) : `${id} (${known})`;
    },
  };
}

/** "host"; also of numbers of one node's own: "kube-apiserver" for what has that label. */
export function reservedName(id: number, labels: readonly string[]): string | undefined {
  const name = identityName(id);
  if (name !== String(id)) return name;
  const reserved = labels.flatMap((label) => /^reserved:(.+)$/.exec(label)?.[1] ?? []);
  // The world's label says of such an address the least.
  return reserved.find((one) => !one.startsWith("world")) ?? reserved[0];
}

/** The maps are there without an agent; only names are not. */
async function orNothing<T>(rows: Promise<T[]>): Promise<T[]> {
  try {
    return await rows;
  } catch (error) {
    if (error instanceof CommandError) return [];
    throw error;
  }
}

/** "shop app=frontend": the namespace, and the labels that say no more about where it is. */
export function shortLabels(labels: readonly string[]): string {
  const namespaceLabel = "k8s:io.kubernetes.pod.namespace=";
  const namespace = labels.find((label) => label.startsWith(namespaceLabel));
  const own = labels
    .filter((label) => !/^k8s:io\.(kubernetes|cilium)\./.test(label))
    .map((label) => label.replace(/^k8s:/, ""));
  return [namespace?.slice(namespaceLabel.length), ...own].filter(Boolean).join(" ");
}
