// What Kubernetes takes for a label's key and value (k8s.io/apimachinery, util/validation).

const name = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** "name" or "prefix.example/name". */
export function isLabelKey(text: string): boolean {
  const parts = text.split("/");
  const [prefix, last] = parts.length === 2 ? parts : [undefined, text];
  if (prefix !== undefined && (prefix.length > 253 || !subdomain.test(prefix))) return false;
  return last !== undefined && last.length <= 63 && name.test(last);
}

/** At most 63 characters; "" is one. */
export function isLabelValue(text: string): boolean {
  return text === "" || (text.length <= 63 && name.test(text));
}
