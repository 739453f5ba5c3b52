// What a case wants the cluster to be: namespaces x, y, z with pods a, b, c, their labels, and policies.
import type { RawObject, World } from "../../../packages/policy/src/testing/naive/index.ts";

export type Labels = Readonly<Record<string, string>>;

/** What a case says that is not as always. */
export type Case = {
  readonly sentence: string;
  /** Policies, groups, services. Of what the last case had, what is not here is deleted. */
  readonly objects?: readonly object[] | ((world: World) => readonly object[]);
  /** By "x/a": labels besides `pod: a`. */
  readonly podLabels?: Readonly<Record<string, Labels>>;
  /** By name: labels besides `ns: x`. */
  readonly namespaceLabels?: Readonly<Record<string, Labels>>;
  /** Pods that are deleted and made anew, with other addresses, before the case. */
  readonly renewed?: readonly string[];
  /** Namespaces that are deleted, and back for the next case. */
  readonly deletedNamespaces?: readonly string[];
};

export const namespaceNames = ["x", "y", "z"];
export const nodeNames = ["node-1", "node-2"];
const podNames = ["a", "b", "c"];
/** Every namespace has pods on both nodes. */
export const nodeOfPod: Readonly<Record<string, string>> = {
  a: "node-1",
  b: "node-2",
  c: "node-1",
};
export const ports = [80, 81] as const;
export const worldAddresses = ["203.0.113.10", "2001:db8:113::10"];

/** Every object of the cluster but policies, in the order in which they are made. */
export function clusterObjects(
  wanted: Pick<Case, "podLabels" | "namespaceLabels" | "deletedNamespaces">,
): RawObject[] {
  const namespaces = namespaceNames.filter((name) => !wanted.deletedNamespaces?.includes(name));
  return [
    ...namespaces.map((name) => namespaceObject(name, wanted.namespaceLabels?.[name] ?? {})),
    ...namespaces.flatMap((namespace) =>
      podNames.map((name) =>
        podObject({
          namespace,
          name,
          node: nodeOfPod[name] as string,
          labels: { pod: name, ...wanted.podLabels?.[`${namespace}/${name}`] },
        }),
      ),
    ),
  ];
}

/** Servers in the nodes' own network, so that nodes can be probed too. */
export function hostObjects(): RawObject[] {
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "hosts" } },
    ...nodeNames.map((node) =>
      podObject({
        namespace: "hosts",
        name: node,
        node,
        labels: { pod: "host" },
        hostNetwork: true,
      }),
    ),
  ];
}

function namespaceObject(name: string, labels: Labels): RawObject {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { ns: name, ...labels } },
  };
}

function podObject(options: {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly labels: Labels;
  readonly hostNetwork?: true;
}): RawObject {
  const { namespace, name, node, labels, hostNetwork } = options;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels },
    spec: {
      nodeName: node,
      ...(hostNetwork ? { hostNetwork } : {}),
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: "echo",
          image: "tsilium.io/echo",
          ports: ports.flatMap((port) =>
            ["TCP", "UDP"].map((protocol) => ({
              name: `serve-${port}-${protocol.toLowerCase()}`,
              containerPort: port,
              protocol,
            })),
          ),
        },
      ],
    },
  } as RawObject;
}
