// How services and their slices are found without looking at all of a namespace.
import { type EndpointSlice, type Pod, type Service, serviceNameLabel } from "@tsilium/kube";

/** A service is filed under one term of its selector, which all its pods have among their labels. */
export function selectorTerm({ metadata, spec }: Service): string[] {
  const [first] = Object.entries(spec.selector ?? {});
  return first ? [termOf(metadata.namespace ?? "", first)] : [];
}

/** Under these a service is filed that has this pod behind it. */
export function labelTerms({ metadata }: Pod): string[] {
  const { namespace = "", labels = {} } = metadata;
  return Object.entries(labels).map((label) => termOf(namespace, label));
}

function termOf(namespace: string, [key, value]: readonly [string, string]): string {
  return `${namespace}/${key}=${value}`;
}

export function serviceOfSlice({ metadata }: EndpointSlice): string[] {
  const name = metadata.labels?.[serviceNameLabel];
  return name === undefined ? [] : [`${metadata.namespace}/${name}`];
}

export function isBehind({ metadata }: Pod, { spec }: Service): boolean {
  const { labels = {} } = metadata;
  const { selector = {} } = spec;
  let isSelected = false;
  for (const key in selector) {
    if (!Object.hasOwn(labels, key) || labels[key] !== selector[key]) return false;
    isSelected = true;
  }
  return isSelected;
}
