// Rules of webhook configurations that are about text.
import type { Cause } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import { selectorCauses, type LabelSelector } from "../objects/label-selector.ts";
import { dnsSubdomain } from "../objects/names.ts";

/** A webhook's name is a domain of at least three parts. */
export function qualifiedWebhookName(name: string): string | undefined {
  const fault = dnsSubdomain(name);
  if (fault) return fault;
  return name.split(".").length >= 3
    ? undefined
    : "should be a domain with at least three segments separated by dots";
}

export function labelSelectorCauses(selector: unknown, path: string): Cause[] {
  return isRecord(selector) ? selectorCauses(selector as LabelSelector, path) : [];
}
