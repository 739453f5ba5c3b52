// Writes and removes copies. A Secret that is no copy of ours is never touched, whatever its name.
import { KubeError, type KubeClient, resources, type Secret } from "@tsilium/kube";
import {
  owningNamespaceLabel,
  secretCopyLabels,
  secretCopyName,
  secretCopyOf,
  type SecretRef,
} from "@tsilium/policy/model.ts";
import type { Logger } from "@tsilium/runtime";
import type { Operations } from "@tsilium/tables";
import { errorText, rightsFile } from "./error-text.ts";
import { type SecretCopy, secretKey } from "./model.ts";

export type CopyWriterOptions = {
  readonly client: KubeClient;
  /** Where copies go. */
  readonly home: string;
  readonly log: Logger;
};

/** The copies in their namespace, for a watch or a list. */
export const copiesSelector = owningNamespaceLabel;

/** Whose copy of ours this is; undefined: it is none. */
export function ownerOfCopy({ metadata }: Secret): SecretRef | undefined {
  const owner = secretCopyOf(metadata.labels);
  return owner && secretCopyName(owner) === metadata.name ? owner : undefined;
}

/** Whether a copy is as it is to be. */
export function isAsWanted(there: Secret, { owner, content }: SecretCopy): boolean {
  if (content === undefined) return true;
  const holder = secretCopyOf(there.metadata.labels);
  return (
    holder !== undefined &&
    secretKey(holder) === secretKey(owner) &&
    there.type === content.type &&
    sameData(there.data ?? {}, content.data)
  );
}

/** The message names Secrets, never what is in them; it has no cause that could. */
class SecretCopyError extends Error {
  readonly code = "secret_copy_failed";
}

export class CopyWriter {
  readonly #options: CopyWriterOptions;
  readonly #taken = new Set<string>();

  constructor(options: CopyWriterOptions) {
    this.#options = options;
  }

  /** Names under which others have a Secret of their own, which agents then read. */
  get taken(): ReadonlySet<string> {
    return this.#taken;
  }

  /** For a reconciler over the copies that are to be. */
  get operations(): Operations<SecretCopy> {
    return {
      update: (copy, signal) => this.#guard(copy.name, () => this.#write(copy, signal)),
      delete: ({ name }, signal) => this.#guard(name, () => this.#remove(name, signal)),
      prune: (copies, signal) => this.#guard("", () => this.#prune(copies, signal)),
    };
  }

  async #write(copy: SecretCopy, signal: AbortSignal): Promise<void> {
    const { content, name } = copy;
    if (content === undefined) return;
    const there = await this.#read(name, signal);
    if (there && !ownerOfCopy(there)) return this.#leave(copy);
    this.#taken.delete(name);
    if (!there) return this.#create(copy, signal);
    if (isAsWanted(there, copy)) return;
    const { client, log } = this.#options;
    if (there.type !== content.type || there.immutable) {
      // Neither can be changed.
      await this.#delete(there, signal);
      return this.#create(copy, signal);
    }
    const labels = { ...there.metadata.labels, ...secretCopyLabels(copy.owner) };
    const metadata = { ...there.metadata, labels };
    await client.replace(resources.secrets, { ...there, metadata, data: content.data }, { signal });
    log.info(this.#facts(copy), "brought the copy of a policy's Secret up to date");
  }

  #leave(copy: SecretCopy): void {
    if (this.#taken.has(copy.name)) return;
    this.#taken.add(copy.name);
    this.#options.log.warn(
      this.#facts(copy),
      "a policy's Secret is not copied: somebody's own Secret has the copy's name, and agents read that",
    );
  }

  async #create(copy: SecretCopy, signal: AbortSignal): Promise<void> {
    const { client, home, log } = this.#options;
    const { name, owner, content } = copy;
    const secret: Secret = {
      metadata: { namespace: home, name, labels: secretCopyLabels(owner) },
      ...content,
    };
    const create = () => client.create(resources.secrets, secret, { signal });
    try {
      await create();
    } catch (error) {
      if (!KubeError.isNotFound(error)) throw error;
      await this.#createHome(signal);
      await create();
    }
    log.info(this.#facts(copy), "copied a policy's Secret");
  }

  async #createHome(signal: AbortSignal): Promise<void> {
    const { client, home, log } = this.#options;
    try {
      await client.create(resources.namespaces, { metadata: { name: home } }, { signal });
      log.info({ namespace: home }, "created the namespace of policies' Secrets");
    } catch (error) {
      if (KubeError.isAlreadyExists(error)) return;
      throw new SecretCopyError(
        `namespace ${home} is not there and cannot be created: policies have no Secret of another namespace until it is (${rightsFile}): ${errorText(error)}`,
      );
    }
  }

  async #remove(name: string, signal: AbortSignal): Promise<void> {
    this.#taken.delete(name);
    const there = await this.#read(name, signal);
    if (there && ownerOfCopy(there)) await this.#delete(there, signal);
  }

  async #prune(copies: readonly SecretCopy[], signal: AbortSignal): Promise<void> {
    const { client, home } = this.#options;
    const wanted = new Set(copies.map(({ name }) => name));
    const { items } = await client.list(resources.secrets, {
      namespace: home,
      labelSelector: copiesSelector,
      signal,
    });
    for (const each of items)
      if (ownerOfCopy(each) && !wanted.has(each.metadata.name ?? ""))
        await this.#delete(each, signal);
  }

  async #delete({ metadata }: Secret, signal: AbortSignal): Promise<void> {
    const { client, home, log } = this.#options;
    const { name = "", uid = "", resourceVersion = "" } = metadata;
    // Only what was looked at: it may have become somebody's own since.
    const preconditions = { uid, resourceVersion };
    await client.delete(resources.secrets, name, { namespace: home, preconditions, signal });
    log.info({ copy: `${home}/${name}` }, "removed the copy of a Secret");
  }

  async #read(name: string, signal: AbortSignal): Promise<Secret | undefined> {
    const { client, home } = this.#options;
    try {
      return await client.get(resources.secrets, name, { namespace: home, signal });
    } catch (error) {
      if (KubeError.isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** What comes out of here is logged. */
  async #guard(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof SecretCopyError) throw error;
      const what = name === "" ? "copies of Secrets" : `${this.#options.home}/${name}`;
      throw new SecretCopyError(`${what}: ${errorText(error)}`);
    }
  }

  #facts({ name, owner }: SecretCopy): { readonly secret: string; readonly copy: string } {
    return { secret: secretKey(owner), copy: `${this.#options.home}/${name}` };
  }
}

function sameData(
  one: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>,
): boolean {
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && one[key] === other[key])
  );
}
