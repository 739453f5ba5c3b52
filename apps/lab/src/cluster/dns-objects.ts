// Cluster DNS as objects: a Deployment of our own server and the Service everybody knows it by.
import {
  type Deployment,
  type KubeClient,
  KubeError,
  resources,
  type Service,
} from "@tsilium/kube";
import { worldAddresses } from "../layout.ts";
import { dnsImage } from "../kubelet/image.ts";

const labels = { "k8s-app": "kube-dns" };
const metadata = { name: "kube-dns", namespace: "kube-system", labels } as const;

/** The cluster IP of DNS in nearly every cluster: the tenth of the service range. */
const clusterIp = "10.96.0.10";

/** @param kubeconfig file that the server reads the cluster with; it is on the host's file system */
function dnsDeployment(kubeconfig: string): Deployment {
  const upstreams = [worldAddresses.ipv4, worldAddresses.ipv6];
  return {
    metadata,
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          dnsPolicy: "Default",
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: "dns",
              image: dnsImage,
              args: [
                "--kubeconfig",
                kubeconfig,
                ...upstreams.flatMap((address) => ["--upstream", address]),
              ],
              ports: [
                { name: "dns", containerPort: 53, protocol: "UDP" },
                { name: "dns-tcp", containerPort: 53, protocol: "TCP" },
              ],
            },
          ],
        },
      },
    },
  };
}

function dnsService(): Service {
  return {
    metadata,
    spec: {
      selector: labels,
      clusterIP: clusterIp,
      ipFamilyPolicy: "PreferDualStack",
      ports: [
        { name: "dns", port: 53, protocol: "UDP" },
        { name: "dns-tcp", port: 53, protocol: "TCP" },
      ],
    },
  };
}

/** Creates both; what is there stays. @returns the service's addresses */
export async function installDns(
  client: KubeClient,
  kubeconfig: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const unlessThere = (error: unknown) => {
    if (!KubeError.isAlreadyExists(error)) throw error;
  };
  await client.create(resources.services, dnsService(), { signal }).catch(unlessThere);
  const { name, namespace } = metadata;
  const { spec } = await client.get(resources.services, name, { namespace, signal });
  await client
    .create(resources.deployments, dnsDeployment(kubeconfig), { signal })
    .catch(unlessThere);
  return spec.clusterIPs ?? [clusterIp];
}

export async function isDnsReady(client: KubeClient, signal: AbortSignal): Promise<boolean> {
  const { name, namespace } = metadata;
  const deployment = await client.get(resources.deployments, name, { namespace, signal });
  return (deployment.status?.availableReplicas ?? 0) > 0;
}
