// Rules for names, labels and annotations (RFC 1123, RFC 1035, Kubernetes' "Object Names and IDs").
import { field, type Cause } from "../errors.ts";
import type { Metadata } from "./object.ts";

/** Why a name is refused, or undefined. */
export type NameRule = (name: string) => string | undefined;

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const label1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const qualifiedPart = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

export const dnsLabel: NameRule = (name) => {
  if (name.length > 63) return "must be no more than 63 characters";
  return label.test(name)
    ? undefined
    : "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
};

export const dnsSubdomain: NameRule = (name) => {
  if (name.length > 253) return "must be no more than 253 characters";
  return subdomain.test(name)
    ? undefined
    : "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
};

/** Services: their names become DNS labels that must start with a letter. */
export const dns1035Label: NameRule = (name) => {
  if (name.length > 63) return "must be no more than 63 characters";
  return label1035.test(name)
    ? undefined
    : "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
};

function qualifiedNameFault(key: string): string | undefined {
  const slash = key.indexOf("/");
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (prefix !== undefined) {
    if (prefix === "") return "prefix part must be non-empty";
    const fault = dnsSubdomain(prefix);
    if (fault) return `prefix part ${fault}`;
  }
  if (name === "") return "name part must be non-empty";
  if (name.length > 63) return "name part must be no more than 63 characters";
  return qualifiedPart.test(name)
    ? undefined
    : "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
}

/** Why a label value is refused, or undefined. */
export function labelValueFault(value: string): string | undefined {
  if (value.length > 63) return "must be no more than 63 characters";
  return value === "" || qualifiedPart.test(value)
    ? undefined
    : "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
}

/** Why a label key is refused, or undefined. */
export const labelKeyFault = qualifiedNameFault;

export function labelCauses(
  labels: Readonly<Record<string, string>> | undefined,
  path: string,
): Cause[] {
  const causes: Cause[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    const keyFault = qualifiedNameFault(key);
    if (keyFault) causes.push(field.invalid(path, key, keyFault));
    const valueFault = labelValueFault(value);
    if (valueFault) causes.push(field.invalid(path, value, valueFault));
  }
  return causes;
}

const maxAnnotationBytes = 256 * 1024;

/** Faults of an object's metadata, its own name included. */
export function metadataCauses(metadata: Metadata, nameRule: NameRule): Cause[] {
  const causes: Cause[] = [];
  const name = metadata.name ?? "";
  if (name === "") {
    causes.push(field.required("metadata.name", "name or generateName is required"));
  } else {
    const fault = nameRule(name);
    if (fault) causes.push(field.invalid("metadata.name", name, fault));
  }
  causes.push(...labelCauses(metadata.labels, "metadata.labels"));
  let annotationBytes = 0;
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
    const fault = qualifiedNameFault(key.toLowerCase());
    if (fault) causes.push(field.invalid("metadata.annotations", key, fault));
    annotationBytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (annotationBytes > maxAnnotationBytes) {
    causes.push(field.tooLong("metadata.annotations", maxAnnotationBytes));
  }
  for (const finalizer of metadata.finalizers ?? []) {
    const fault = qualifiedNameFault(finalizer);
    if (fault) causes.push(field.invalid("metadata.finalizers", finalizer, fault));
  }
  causes.push(...ownerCauses(metadata));
  return causes;
}

function ownerCauses(metadata: Metadata): Cause[] {
  const causes: Cause[] = [];
  let controllers = 0;
  (metadata.ownerReferences ?? []).forEach((owner, index) => {
    for (const name of ["apiVersion", "kind", "name", "uid"] as const) {
      if (owner[name] === "") {
        causes.push(field.required(`metadata.ownerReferences[${index}].${name}`));
      }
    }
    if (owner.controller) controllers += 1;
  });
  if (controllers > 1) {
    causes.push(
      field.invalid(
        "metadata.ownerReferences",
        controllers,
        "only one reference can have controller set to true",
      ),
    );
  }
  return causes;
}

const suffixAlphabet = "bcdfghjklmnpqrstvwxz2456789";
const maxGeneratedBase = 58;

/** generateName plus five random characters, at most 63 characters. */
export function generateName(base: string): string {
  let suffix = "";
  for (let index = 0; index < 5; index++) {
    suffix += suffixAlphabet[Math.floor(Math.random() * suffixAlphabet.length)];
  }
  return base.slice(0, maxGeneratedBase) + suffix;
}
