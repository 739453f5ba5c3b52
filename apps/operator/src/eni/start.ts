// ENI mode of the operator, from its configuration.
import { connectEc2, type Tags } from "@tsilium/cloud";
import type { CiliumNode, KubeClient } from "@tsilium/kube";
import type { Logger, ProcessMetrics } from "@tsilium/runtime";
import type { Table } from "@tsilium/tables";
import type { OperatorConfig } from "../config/config.ts";
import { tagsOf } from "../config/eni-keys.ts";
import { EniIpam } from "./eni-ipam.ts";
import { registerEniMetrics } from "./metrics.ts";

export type StartEniOptions = {
  readonly client: KubeClient;
  readonly config: OperatorConfig;
  /** Complete: its watch has listed all. */
  readonly ciliumNodes: Table<CiliumNode>;
  readonly metrics: ProcessMetrics;
  /** Asked before each call that changes something in the cloud: throws in an operator that leads no more. */
  readonly mayWrite?: (() => void) | undefined;
  readonly log: Logger;
  readonly signal: AbortSignal;
};

/** Cilium's tags of what it made; by them leaked interfaces are found. */
const managedTag = "io.cilium/cilium-managed";
const clusterTag = "io.cilium/cluster-name";

/** Reads AWS's client, which nobody else does, and begins. Nothing is waited for. */
export async function startEni(options: StartEniOptions): Promise<EniIpam> {
  const { client, config, ciliumNodes, metrics, mayWrite, log, signal } = options;
  let started: EniIpam | undefined;
  const { onCall } = registerEniMetrics(metrics, () => started?.stats());
  const cloud = await connectEc2({
    ...given("region", config["aws-region"]),
    ...given("endpoint", config["ec2-api-endpoint"]),
    ...given("credentialsFile", config["aws-credentials-file"]),
    ...(config["aws-max-results-per-call"] > 0
      ? { pageSize: config["aws-max-results-per-call"] }
      : {}),
    queriesPerSecond: config["limit-ipam-api-qps"],
    burst: config["limit-ipam-api-burst"],
    onCall,
    ...(mayWrite ? { mayWrite } : {}),
  });
  const own: Tags = { [managedTag]: "true", [clusterTag]: config["cluster-name"] };
  const tags = (key: "eni-tags" | "eni-gc-tags" | "subnet-tags-filter" | "instance-tags-filter") =>
    tagsOf(config[key]) ?? {};
  const collected = tags("eni-gc-tags");
  const ipam = new EniIpam({
    client,
    ciliumNodes,
    cloud,
    defaults: {
      prefixDelegation: config["aws-enable-prefix-delegation"],
      usePrimaryAddress: config["aws-use-primary-address"],
    },
    // Those to be collected by must be on all that is made.
    tags: { ...own, ...collected, ...tags("eni-tags") },
    instanceTags: tags("instance-tags-filter"),
    subnetIds: config["subnet-ids-filter"],
    subnetTags: tags("subnet-tags-filter"),
    releaseExcess: config["aws-release-excess-ips"],
    releaseDelayMs: config["excess-ip-release-delay"],
    resyncMs: config["ipam-resync-interval"],
    collect: {
      tags: Object.keys(collected).length > 0 ? collected : own,
      intervalMs: config["eni-gc-interval"],
    },
    workers: config["parallel-alloc-workers"],
    log: log.child({ part: "eni" }),
    signal,
  });
  signal.addEventListener("abort", () => cloud[Symbol.dispose](), { once: true });
  ipam.start();
  started = ipam;
  return ipam;
}

function given<Key extends string>(key: Key, value: string): { readonly [K in Key]?: string } {
  return value === "" ? {} : ({ [key]: value } as { readonly [K in Key]?: string });
}
