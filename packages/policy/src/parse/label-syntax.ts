// What labels, names and namespaces may look like in Kubernetes. Lengths are looked at first, so that no expression
// meets a text long enough to keep it busy.

const nameSyntax = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const dnsLabelSyntax = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** "app", "app.kubernetes.io/name". */
export function isLabelKey(text: string): boolean {
  const slash = text.indexOf("/");
  if (slash >= 0 && !isDnsSubdomain(text.slice(0, slash))) return false;
  const name = text.slice(slash + 1);
  return name.length <= 63 && nameSyntax.test(name);
}

export function isLabelValue(text: string): boolean {
  return text === "" || (text.length <= 63 && nameSyntax.test(text));
}

export function isDnsLabel(text: string): boolean {
  return text.length <= 63 && dnsLabelSyntax.test(text);
}

export function isDnsSubdomain(text: string): boolean {
  return text.length <= 253 && text.split(".").every((part) => dnsLabelSyntax.test(part));
}

/** A port's name (RFC 6335, 5.1): up to 15 letters, digits and single hyphens inside, with a letter. */
export function isServiceName(text: string): boolean {
  return (
    text.length <= 15 &&
    /^[A-Za-z0-9-]+$/.test(text) &&
    /[A-Za-z]/.test(text) &&
    !text.startsWith("-") &&
    !text.endsWith("-") &&
    !text.includes("--")
  );
}
