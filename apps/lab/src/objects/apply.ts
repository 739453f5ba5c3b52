// What `apply` changes: the difference between what was applied last, what is applied now, and what is there.
// The last manifest is kept in kubectl's own annotation, so that both may be used on the same objects. Pure.
import { isDeepStrictEqual } from "node:util";
import type { Manifest } from "./manifests.ts";

const lastAppliedAnnotation = "kubectl.kubernetes.io/last-applied-configuration";

type Json = unknown;
type Fields = Readonly<Record<string, Json>>;

/** The manifest with itself as its annotation, as it is created. */
export function annotated(manifest: Manifest, namespace: string | undefined): Manifest {
  const metadata = { ...manifest.metadata, ...(namespace ? { namespace } : {}) };
  const annotations = { ...metadata.annotations };
  delete annotations[lastAppliedAnnotation];
  const bare = { ...manifest, metadata: { annotations, ...metadata } };
  return {
    ...manifest,
    metadata: {
      ...metadata,
      annotations: { ...annotations, [lastAppliedAnnotation]: `${JSON.stringify(bare)}\n` },
    },
  };
}

/** The merge patch (RFC 7386) that brings `live` to `wanted`; undefined when nothing is to be changed. */
export function applyPatch(live: Manifest, wanted: Manifest): Fields | undefined {
  const last = lastApplied(live);
  const patch = mergeDifference(last, live as Fields, wanted as Fields);
  if (!patch) return undefined;
  // The annotation alone is no change: its text may differ where its meaning does not.
  const meaningful = mergeDifference(last, live as Fields, withoutAnnotation(wanted));
  return meaningful ? patch : undefined;
}

function lastApplied(live: Manifest): Fields {
  try {
    return JSON.parse(live.metadata.annotations?.[lastAppliedAnnotation] ?? "{}") as Fields;
  } catch {
    return {};
  }
}

function withoutAnnotation(manifest: Manifest): Fields {
  const { [lastAppliedAnnotation]: _, ...annotations } = manifest.metadata.annotations ?? {};
  return { ...manifest, metadata: { ...manifest.metadata, annotations } };
}

/** What was applied before and is no longer wanted becomes null; what others set stays. */
function mergeDifference(last: Fields, live: Fields, wanted: Fields): Fields | undefined {
  const patch: Record<string, Json> = {};
  for (const key of Object.keys(last)) if (!(key in wanted) && key in live) patch[key] = null;
  for (const [key, value] of Object.entries(wanted)) {
    const [before, now] = [last[key], live[key]];
    if (isFields(value)) {
      const inner = mergeDifference(
        isFields(before) ? before : {},
        isFields(now) ? now : {},
        value,
      );
      if (inner || now === undefined) patch[key] = inner ?? {};
    } else if (!isSettled({ before, now, value }) && value !== null) patch[key] = value;
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

/**
 * Whether what is there is what is wanted. More may be there than is wanted, as defaults in elements of lists, but only
 * where the same was wanted last time: otherwise it may be what an element said then and says no more.
 */
function isSettled(entry: {
  readonly before: Json;
  readonly now: Json;
  readonly value: Json;
}): boolean {
  const { before, now, value } = entry;
  return isDeepStrictEqual(now, value) || (isDeepStrictEqual(before, value) && covers(now, value));
}

/** Whether `now` says all that `value` says: elements of lists may have been given defaults. */
function covers(now: Json, value: Json): boolean {
  if (Array.isArray(value))
    return (
      Array.isArray(now) &&
      now.length === value.length &&
      value.every((entry, at) => covers(now[at], entry))
    );
  if (isFields(value))
    return isFields(now) && Object.entries(value).every(([key, entry]) => covers(now[key], entry));
  return isDeepStrictEqual(now, value);
}

function isFields(value: Json): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
