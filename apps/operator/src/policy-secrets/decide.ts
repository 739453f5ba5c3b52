// Which copies of Secrets there are to be. Pure.
import { secretCopyName, type SecretRef } from "@tsilium/policy/model.ts";
import { type CopyProblem, type SecretCopy, secretKey, type Source } from "./model.ts";

export type CopyWorld = {
  /** Where copies go; its own Secrets need none. */
  readonly home: string;
  /** What policies name, however often. */
  readonly named: Iterable<SecretRef>;
  readonly source: (ref: SecretRef) => Source;
  /** Whose copies are there, by the copies' names. */
  readonly owners: ReadonlyMap<string, SecretRef>;
};

export type CopyDecision = {
  /** Every copy that is there and none of these is to go. */
  readonly copies: readonly SecretCopy[];
  readonly problems: readonly CopyProblem[];
};

/** Of label values and of names (Kubernetes). */
const longestLabel = 63;
const longestName = 253;

/** They open the API server: no server that a policy sends requests to has any business with them. */
const refusedTypes: ReadonlySet<string> = new Set([
  "kubernetes.io/service-account-token",
  "bootstrap.kubernetes.io/token",
]);

/** Of sources with one copy name, the one whose copy is there keeps it, else the oldest gets it. */
export function decideCopies(world: CopyWorld): CopyDecision {
  const problems: CopyProblem[] = [];
  const rivals = new Map<string, Candidate[]>();
  for (const ref of foreignTo(world.home, world.named)) {
    const judged = judge(ref, world.source(ref));
    if (judged.problem) problems.push({ source: ref, ...judged.problem });
    if (!judged.candidate) continue;
    const name = secretCopyName(ref);
    rivals.set(name, [...(rivals.get(name) ?? []), judged.candidate]);
  }
  const copies: SecretCopy[] = [];
  for (const [name, candidates] of rivals) {
    const owner = world.owners.get(name);
    const keeper = keeperOf(candidates, owner);
    const isThere = owner !== undefined && secretKey(owner) === keeper.key;
    if (keeper.content || isThere)
      copies.push({ name, owner: keeper.ref, content: keeper.content });
    for (const { key, ref, content } of candidates)
      if (key !== keeper.key && content)
        problems.push({
          source: ref,
          reason: "conflict",
          message: `its copy would be ${world.home}/${name}, which is the copy of ${keeper.key}`,
        });
  }
  return { copies, problems };
}

type Candidate = Pick<SecretCopy, "content"> & {
  readonly key: string;
  readonly ref: SecretRef;
  readonly createdAt: string;
};

/** Each once, in one order whatever the order of policies. */
function foreignTo(home: string, named: Iterable<SecretRef>): SecretRef[] {
  const once = new Map<string, SecretRef>();
  for (const ref of named) if (ref.namespace !== home) once.set(secretKey(ref), ref);
  return [...once].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ref]) => ref);
}

type Judged = {
  readonly candidate?: Candidate;
  readonly problem?: Pick<CopyProblem, "reason" | "message">;
};

function judge(ref: SecretRef, source: Source): Judged {
  if (ref.name.length > longestLabel || secretCopyName(ref).length > longestName)
    return refused(`its name is too long for a copy: at most ${longestLabel} characters`);
  const candidate = { key: secretKey(ref), ref, createdAt: "", content: undefined };
  switch (source.kind) {
    case "unknown":
      return { candidate };
    case "unreadable":
      return { candidate, problem: { reason: "unreadable", message: source.reason } };
    case "absent":
      return { problem: { reason: "missing", message: "is not there" } };
    case "present": {
      const { content, createdAt } = source;
      if (refusedTypes.has(content.type)) return refused(`is of type ${content.type}`);
      return { candidate: { ...candidate, createdAt, content } };
    }
  }
}

function refused(message: string): Judged {
  return { problem: { reason: "refused", message } };
}

function keeperOf(candidates: readonly Candidate[], owner: SecretRef | undefined): Candidate {
  const holder = owner && candidates.find(({ key }) => key === secretKey(owner));
  if (holder) return holder;
  const readable = candidates.filter(({ content }) => content !== undefined);
  const [first, ...rest] = readable.length > 0 ? readable : candidates;
  return rest.reduce(
    (oldest, each) => (each.createdAt < oldest.createdAt ? each : oldest),
    first as Candidate,
  );
}
