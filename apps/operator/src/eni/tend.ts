// Brings one node to what it should have: interfaces made, filled and relieved, one call after the other.
import { randomUUID } from "node:crypto";
import {
  addressesOf,
  chooseSpare,
  type Cloud,
  CloudError,
  excess,
  type Grant,
  hasTags,
  indexOf,
  type NetworkInterface,
  nextStep,
  type NodePicture,
  readyToGo,
  type Step,
  type Tags,
} from "@tsilium/cloud";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@tsilium/runtime";
import type { Account } from "./account.ts";
import { levelOf, type NodeRequest } from "./request.ts";
import { poolOf } from "./views.ts";

export type TendOptions = {
  readonly cloud: Cloud;
  readonly account: Account;
  /** Tags of interfaces that are made, by which they are found again when they are nobody's. */
  readonly tags: Tags;
  readonly releaseExcess: boolean;
  readonly log: Logger;
  readonly signal: AbortSignal;
};

export type Tended = {
  /** Why the node lacks addresses, in words for its status; undefined: it has what it should. */
  readonly error: string | undefined;
  /** It was the cloud that said no, against what we knew: to be asked again only after a while. */
  readonly refused: boolean;
  /** Addresses that are too many. */
  readonly spare: readonly string[];
};

/** What is read again because it proved wrong is not read more often than that, milliseconds. */
export const freshMs = 1_000;
/** More steps than any instance has interfaces: a cloud that never gives what it says it gave. */
const mostSteps = 40;
/** An interface that was just made may be unknown where it is to be attached: how often and how long to wait, ms. */
const attachTries = 25;
const attachPauseMs = 200;
/** How long a subnet that had no whole /28 is not asked for one, milliseconds. */
const fragmentedMs = 60_000;

export class NodeTender {
  readonly #options: TendOptions;
  /** Until when a subnet counts as fragmented, milliseconds since the epoch. */
  readonly #fragmented = new Map<string, number>();

  constructor(options: TendOptions) {
    this.#options = options;
  }

  /** @throws CloudError when the cloud does not answer or refuses for other reasons than that there is no room */
  async tend(request: NodeRequest): Promise<Tended> {
    await this.#release(request);
    await this.#keepTermination(request);
    for (let done = 0; done < mostSteps; done++) {
      const picture = this.#picture(request);
      if (typeof picture === "string") return lacks(picture, true);
      const step = nextStep(picture);
      if (step.kind === "enough")
        return { error: undefined, refused: false, spare: this.#spare(request, picture) };
      if (step.kind === "stuck") return lacks(step.why, false);
      const refusal = await this.#take(request, step);
      if (refusal) return lacks(refusal, true);
    }
    return lacks("the cloud gives less than it says", true);
  }

  #picture(request: NodeRequest): NodePicture | string {
    const { account } = this.#options;
    const { instanceId } = request;
    const instance = account.instances.get(instanceId);
    if (!instance) return `instance ${instanceId} is not known to the cloud`;
    const limits = account.limitsOf(instance.type);
    if (!limits) return `the limits of instance type ${instance.type} are not known`;
    const interfaces = account.interfacesOf(instanceId);
    if (!interfaces.some((eni) => indexOf(eni) === 0))
      return `the first interface of instance ${instanceId} is not known to the cloud yet`;
    const pool = Object.keys(poolOf(interfaces, request));
    const now = Date.now();
    return {
      interfaces,
      limits,
      subnets: account.subnets,
      securityGroups: account.securityGroups,
      // The cloud knows better than the agent, which may have been told by a person.
      place: {
        vpcId: instance.vpcId,
        availabilityZone: instance.availabilityZone,
        nodeSubnetId: instance.subnetId,
      },
      rules: request.rules,
      wishes: request.wishes,
      watermarks: request.watermarks,
      level: levelOf(pool, request),
      fragmented: new Set(
        [...this.#fragmented].filter(([, until]) => until > now).map(([subnet]) => subnet),
      ),
    };
  }

  /** Answers why there is no room, undefined when the step was taken or another one may do. */
  async #take(
    request: NodeRequest,
    step: Extract<Step, { kind: "grant" | "create" }>,
  ): Promise<string | undefined> {
    const { account } = this.#options;
    const subnetId =
      step.kind === "create"
        ? step.subnetId
        : (account.interfacesOf(request.instanceId).find(({ id }) => id === step.interfaceId)
            ?.subnetId ?? "");
    try {
      if (step.kind === "grant") await this.#grant(step.interfaceId, step.grant);
      else await this.#create(request, step);
      return undefined;
    } catch (error) {
      if (!(error instanceof CloudError)) throw error;
      switch (error.code) {
        case "no_prefixes":
          this.#fragmented.set(subnetId, Date.now() + fragmentedMs);
          return undefined;
        case "no_addresses":
        case "limit_exceeded":
        case "index_in_use":
        case "not_found":
          // What we know of the cloud is not so any more.
          await account.refresh(freshMs, this.#options.signal);
          return error.message;
        default:
          throw error;
      }
    }
  }

  async #grant(interfaceId: string, grant: Grant): Promise<void> {
    const { cloud, account, signal, log } = this.#options;
    const got = await cloud.grant(interfaceId, grant, signal);
    account.granted(interfaceId, got);
    log.info({ interface: interfaceId, got: holdingsText(got) }, "an interface got addresses");
  }

  async #create(request: NodeRequest, step: Extract<Step, { kind: "create" }>): Promise<void> {
    const { cloud, account, signal, log, tags } = this.#options;
    const { instanceId } = request;
    const made = await cloud.createInterface(
      {
        ...step,
        description: `Cilium-CNI (${instanceId})`,
        tags,
        clientToken: randomUUID(),
      },
      signal,
    );
    account.took(made.subnetId, made, 1);
    let attachmentId: string;
    try {
      attachmentId = await this.#attach(made, instanceId, step.deviceIndex);
    } catch (error) {
      await this.#undo(made, error);
      throw error;
    }
    const { deviceIndex } = step;
    const attachment = { id: attachmentId, instanceId, deviceIndex, deleteOnTermination: false };
    account.put({ ...made, state: "in-use", attachment });
    log.info(
      { node: request.name, interface: made.id, subnet: made.subnetId, index: deviceIndex },
      "a node got an interface",
    );
    await this.#keepTermination(request);
  }

  /** Interfaces of ours go with their instance, if the node wishes it. What fails is tried again at the next look. */
  async #keepTermination({ instanceId, deleteOnTermination, name }: NodeRequest): Promise<void> {
    const { cloud, account, signal, log, tags } = this.#options;
    if (!deleteOnTermination) return;
    for (const eni of account.interfacesOf(instanceId)) {
      const { attachment } = eni;
      if (!attachment || attachment.deleteOnTermination || !hasTags(eni.tags, tags)) continue;
      try {
        const target = { interfaceId: eni.id, attachmentId: attachment.id };
        await cloud.deleteOnTermination(target, signal);
        account.put({ ...eni, attachment: { ...attachment, deleteOnTermination: true } });
      } catch (error) {
        if (!(error instanceof CloudError)) throw error;
        log.warn(
          { node: name, interface: eni.id, error },
          "an interface would outlive its instance",
        );
      }
    }
  }

  async #attach(made: NetworkInterface, instanceId: string, deviceIndex: number): Promise<string> {
    const { cloud, signal } = this.#options;
    for (let tried = 1; ; tried++) {
      try {
        return await cloud.attachInterface(
          { interfaceId: made.id, instanceId, deviceIndex },
          signal,
        );
      } catch (error) {
        if (!(error instanceof CloudError) || tried >= attachTries) throw error;
        // An earlier attempt may have been carried out, and its answer lost.
        if (error.code === "in_use") {
          const present = await this.#attachmentOf(made.id, instanceId);
          if (present !== undefined) return present;
        } else if (error.reason !== "InvalidNetworkInterfaceID.NotFound") throw error;
        await sleep(attachPauseMs, undefined, { signal });
      }
    }
  }

  async #attachmentOf(id: string, instanceId: string): Promise<string | undefined> {
    const { cloud, signal } = this.#options;
    const { attachment } = (await cloud.interfaces({ signal })).find((eni) => eni.id === id) ?? {};
    return attachment?.instanceId === instanceId ? attachment.id : undefined;
  }

  /** An interface that could not be attached is of no use. What cannot be deleted either, the collector finds. */
  async #undo(made: NetworkInterface, cause: unknown): Promise<void> {
    const { cloud, account, signal, log } = this.#options;
    log.warn({ interface: made.id, error: cause }, "an interface cannot be attached, removing it");
    try {
      await cloud.deleteInterface(made.id, signal);
      account.remove(made.id);
    } catch (error) {
      // It may be attached after all, and its answer lost: then the next read shows it.
      log.warn({ interface: made.id, error }, "an interface is left behind for now");
    }
  }

  /** Takes away what the agent let go. */
  async #release(request: NodeRequest): Promise<void> {
    const { cloud, account, signal, log } = this.#options;
    const { instanceId, releaseIps, used } = request;
    for (const spare of readyToGo(account.interfacesOf(instanceId), releaseIps, used)) {
      await cloud.revoke(spare.interfaceId, spare, signal);
      account.revoked(spare.interfaceId, spare);
      log.info(
        { node: request.name, interface: spare.interfaceId, gone: holdingsText(spare) },
        "addresses were taken back",
      );
    }
  }

  #spare(request: NodeRequest, picture: NodePicture): readonly string[] {
    if (!this.#options.releaseExcess) return [];
    const { used, releaseIps, rules } = request;
    const { interfaces, watermarks } = picture;
    const pool = Object.keys(poolOf(interfaces, request));
    const count = excess({ available: pool.length, used: used.size }, watermarks);
    if (count === 0) return [];
    // What is on its way stays chosen, so that a choice is not made anew at every look.
    const others = pool.filter((address) => !isPending(releaseIps[address]) || used.has(address));
    const spare =
      chooseSpare(interfaces, { count, used: new Set(others), rules }) ??
      chooseSpare(interfaces, { count, used: new Set([...used, ...refused(releaseIps)]), rules });
    return spare ? addressesOf(spare) : [];
  }
}

function isPending(status: string | undefined): boolean {
  return status === "marked-for-release" || status === "ready-for-release";
}

/** What the agent just said that it needs. */
function refused(statuses: Readonly<Record<string, string>>): string[] {
  return Object.keys(statuses).filter((address) => statuses[address] === "do-not-release");
}

function lacks(error: string, refused: boolean): Tended {
  return { error, refused, spare: [] };
}

function holdingsText({ secondary, prefixes }: Pick<NetworkInterface, "secondary" | "prefixes">) {
  return [...secondary, ...prefixes].join(" ");
}
