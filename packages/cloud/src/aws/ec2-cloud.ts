// EC2 by AWS's own client: pages, the rate of calls, retries (the client's), errors as ours.
import {
  AssignPrivateIpAddressesCommand,
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DeleteNetworkInterfaceCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  EC2Client,
  type EC2ClientConfig,
  type Filter,
  ModifyNetworkInterfaceAttributeCommand,
  UnassignPrivateIpAddressesCommand,
} from "@aws-sdk/client-ec2";
import type { Address, Prefix } from "@tsilium/net";
import { CloudError } from "../errors.ts";
import type {
  AttachRequest,
  Cloud,
  Grant,
  Holdings,
  Instance,
  InstanceLimits,
  InterfaceState,
  NetworkInterface,
  NewInterface,
  ReadOptions,
  SecurityGroup,
  Subnet,
  Tags,
  Vpc,
} from "../model.ts";
import { RateLimit } from "../rate-limit.ts";
import type { Ec2Options } from "./connect.ts";
import { credentialsOf } from "./credentials-file.ts";
import { cloudError } from "./errors.ts";
import {
  holdingsOf,
  instanceOf,
  interfaceOf,
  limitsOf,
  securityGroupOf,
  subnetOf,
  vpcOf,
} from "./read.ts";

/** How long one attempt may take, milliseconds. */
const connectTimeoutMs = 5_000;
const requestTimeoutMs = 30_000;
/** DescribeInstanceTypes takes no more names at once. */
const typesAtOnce = 100;

export class Ec2Cloud implements Cloud {
  readonly #client: EC2Client;
  readonly #rate: RateLimit;
  readonly #options: Ec2Options;

  constructor(options: Ec2Options) {
    this.#options = options;
    this.#rate = new RateLimit({ perSecond: options.queriesPerSecond, burst: options.burst });
    this.#client = new EC2Client(configOf(options));
  }

  async instances({ tags = {}, signal }: ReadOptions): Promise<Instance[]> {
    const Filters = [
      ...tagFilters(tags),
      { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped"] },
    ];
    const rows = await this.#pages(
      "DescribeInstances",
      async (page, send) => {
        const answer = await send(new DescribeInstancesCommand({ Filters, ...page }));
        const found = (answer.Reservations ?? []).flatMap(({ Instances = [] }) => Instances);
        return { rows: found, next: answer.NextToken };
      },
      signal,
    );
    return rows.flatMap((row) => instanceOf(row) ?? []);
  }

  async limits(types: readonly string[], signal: AbortSignal): Promise<InstanceLimits[]> {
    const found: InstanceLimits[] = [];
    for (let at = 0; at < types.length; at += typesAtOnce) {
      // A filter, because one unknown name among InstanceTypes fails the whole call.
      const Values = types.slice(at, at + typesAtOnce);
      const Filters = [{ Name: "instance-type", Values: [...Values] }];
      const rows = await this.#pages(
        "DescribeInstanceTypes",
        async (page, send) => {
          const answer = await send(
            new DescribeInstanceTypesCommand({
              Filters,
              ...page,
              // No more are allowed.
              ...(page.MaxResults ? { MaxResults: Math.min(page.MaxResults, 100) } : {}),
            }),
          );
          return { rows: answer.InstanceTypes ?? [], next: answer.NextToken };
        },
        signal,
      );
      found.push(...rows.flatMap((row) => limitsOf(row) ?? []));
    }
    return found;
  }

  async subnets(options: ReadOptions & { readonly ids?: readonly string[] }): Promise<Subnet[]> {
    const { tags = {}, ids = [], signal } = options;
    const Filters = [
      ...tagFilters(tags),
      ...(ids.length > 0 ? [{ Name: "subnet-id", Values: [...ids] }] : []),
    ];
    const rows = await this.#pages(
      "DescribeSubnets",
      async (page, send) => {
        const answer = await send(new DescribeSubnetsCommand({ Filters, ...page }));
        return { rows: answer.Subnets ?? [], next: answer.NextToken };
      },
      signal,
    );
    return rows.flatMap((row) => subnetOf(row) ?? []);
  }

  async vpcs(signal: AbortSignal): Promise<Vpc[]> {
    const rows = await this.#pages(
      "DescribeVpcs",
      async (page, send) => {
        const answer = await send(new DescribeVpcsCommand(page));
        return { rows: answer.Vpcs ?? [], next: answer.NextToken };
      },
      signal,
    );
    return rows.flatMap((row) => vpcOf(row) ?? []);
  }

  async securityGroups(signal: AbortSignal): Promise<SecurityGroup[]> {
    const rows = await this.#pages(
      "DescribeSecurityGroups",
      async (page, send) => {
        const answer = await send(new DescribeSecurityGroupsCommand(page));
        return { rows: answer.SecurityGroups ?? [], next: answer.NextToken };
      },
      signal,
    );
    return rows.flatMap((row) => securityGroupOf(row) ?? []);
  }

  async interfaces(
    options: ReadOptions & { readonly state?: InterfaceState; readonly vpcId?: string },
  ): Promise<NetworkInterface[]> {
    const { tags = {}, state, vpcId, signal } = options;
    const Filters = [
      ...tagFilters(tags),
      ...(state ? [{ Name: "status", Values: [state] }] : []),
      ...(vpcId ? [{ Name: "vpc-id", Values: [vpcId] }] : []),
    ];
    const rows = await this.#pages(
      "DescribeNetworkInterfaces",
      async (page, send) => {
        const answer = await send(new DescribeNetworkInterfacesCommand({ Filters, ...page }));
        return { rows: answer.NetworkInterfaces ?? [], next: answer.NextToken };
      },
      signal,
    );
    return rows.flatMap((row) => interfaceOf(row) ?? []);
  }

  async createInterface(request: NewInterface, signal: AbortSignal): Promise<NetworkInterface> {
    const call = "CreateNetworkInterface";
    const { grant, tags } = request;
    const command = new CreateNetworkInterfaceCommand({
      SubnetId: request.subnetId,
      Groups: [...request.securityGroups],
      Description: request.description,
      ClientToken: request.clientToken,
      ...(grant.kind === "prefixes"
        ? { Ipv4PrefixCount: grant.count }
        : grant.count > 0
          ? { SecondaryPrivateIpAddressCount: grant.count }
          : {}),
      TagSpecifications: [
        {
          ResourceType: "network-interface",
          Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
        },
      ],
    });
    const answer = await this.#call(call, signal, (options) => this.#client.send(command, options));
    const made = answer.NetworkInterface && interfaceOf(answer.NetworkInterface);
    if (made) return made;
    const message = "the answer holds no interface";
    throw new CloudError({ code: "unavailable", call, reason: "BadAnswer", message });
  }

  async attachInterface(request: AttachRequest, signal: AbortSignal): Promise<string> {
    const command = new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: request.interfaceId,
      InstanceId: request.instanceId,
      DeviceIndex: request.deviceIndex,
    });
    const answer = await this.#call("AttachNetworkInterface", signal, (options) =>
      this.#client.send(command, options),
    );
    return answer.AttachmentId ?? "";
  }

  async deleteOnTermination(
    target: { readonly interfaceId: string; readonly attachmentId: string },
    signal: AbortSignal,
  ): Promise<void> {
    const command = new ModifyNetworkInterfaceAttributeCommand({
      NetworkInterfaceId: target.interfaceId,
      Attachment: { AttachmentId: target.attachmentId, DeleteOnTermination: true },
    });
    await this.#call("ModifyNetworkInterfaceAttribute", signal, (options) =>
      this.#client.send(command, options),
    );
  }

  async deleteInterface(interfaceId: string, signal: AbortSignal): Promise<void> {
    const command = new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: interfaceId });
    try {
      await this.#call("DeleteNetworkInterface", signal, (options) =>
        this.#client.send(command, options),
      );
    } catch (error) {
      if (!(error instanceof CloudError && error.code === "not_found")) throw error;
    }
  }

  async grant(interfaceId: string, grant: Grant, signal: AbortSignal): Promise<Holdings> {
    const command = new AssignPrivateIpAddressesCommand({
      NetworkInterfaceId: interfaceId,
      ...(grant.kind === "prefixes"
        ? { Ipv4PrefixCount: grant.count }
        : { SecondaryPrivateIpAddressCount: grant.count }),
    });
    const answer = await this.#call("AssignPrivateIpAddresses", signal, (options) =>
      this.#client.send(command, options),
    );
    const addresses = answer.AssignedPrivateIpAddresses ?? [];
    return holdingsOf(
      addresses.map(({ PrivateIpAddress: text }) => text),
      answer.AssignedIpv4Prefixes,
    );
  }

  async revoke(interfaceId: string, holdings: Holdings, signal: AbortSignal): Promise<void> {
    // One call takes addresses or prefixes, not both.
    const calls = [
      ...some("PrivateIpAddresses", holdings.secondary),
      ...some("Ipv4Prefixes", holdings.prefixes),
    ];
    for (const what of calls) {
      const command = new UnassignPrivateIpAddressesCommand({
        NetworkInterfaceId: interfaceId,
        ...what,
      });
      try {
        await this.#call("UnassignPrivateIpAddresses", signal, (options) =>
          this.#client.send(command, options),
        );
      } catch (error) {
        if (!isGoneAlready(error)) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
  }

  async #pages<Row>(
    call: string,
    read: (
      page: { readonly NextToken?: string; readonly MaxResults?: number },
      send: EC2Client["send"],
    ) => Promise<{ readonly rows: readonly Row[]; readonly next: string | undefined }>,
    signal: AbortSignal,
  ): Promise<Row[]> {
    const { pageSize } = this.#options;
    const rows: Row[] = [];
    let next: string | undefined;
    do {
      const page = {
        ...(next === undefined ? {} : { NextToken: next }),
        ...(pageSize === undefined ? {} : { MaxResults: pageSize }),
      };
      const answer = await this.#call(call, signal, (options) => {
        const send = (command: Parameters<EC2Client["send"]>[0]) =>
          this.#client.send(command, options);
        return read(page, send as EC2Client["send"]);
      });
      rows.push(...answer.rows);
      next = answer.next || undefined;
    } while (next !== undefined);
    return rows;
  }

  async #call<Answer>(
    call: string,
    signal: AbortSignal,
    send: (options: { readonly abortSignal: AbortSignal }) => Promise<Answer>,
  ): Promise<Answer> {
    await this.#rate.turn(signal);
    if (!call.startsWith("Describe")) this.#options.mayWrite?.();
    const startedAt = performance.now();
    const told = (outcome: string) =>
      this.#options.onCall?.(call, outcome, performance.now() - startedAt);
    try {
      const answer = await send({ abortSignal: signal });
      told("ok");
      return answer;
    } catch (cause) {
      const error = cloudError(call, cause, signal);
      told(error instanceof CloudError ? error.code : "aborted");
      throw error;
    }
  }
}

function configOf(options: Ec2Options): EC2ClientConfig {
  const { region, endpoint, credentialsFile, maxAttempts = 5 } = options;
  return {
    maxAttempts,
    retryMode: "standard",
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
    },
    ...(region ? { region } : {}),
    ...(endpoint ? { endpoint } : {}),
    ...(credentialsFile ? { credentials: credentialsOf(credentialsFile) } : {}),
  };
}

function tagFilters(tags: Tags): Filter[] {
  return Object.entries(tags).map(([key, value]) => ({ Name: `tag:${key}`, Values: [value] }));
}

function some(
  field: "PrivateIpAddresses" | "Ipv4Prefixes",
  values: readonly (Address | Prefix)[],
): { readonly [field: string]: string[] }[] {
  return values.length > 0 ? [{ [field]: values.map(String) }] : [];
}

/** AWS refuses to take away what an interface does not have. */
function isGoneAlready(error: unknown): boolean {
  return (
    error instanceof CloudError &&
    error.reason === "InvalidParameterValue" &&
    /not assigned/i.test(error.message)
  );
}
