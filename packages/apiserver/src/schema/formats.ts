// The string and number formats that Kubernetes checks. Any other format is no constraint.
import { isIP, isIPv4, isIPv6 } from "node:net";

const dateTime = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
const uuid = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const mac = /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i;
const ignored = () => true;

function isCidr(text: string): boolean {
  const found = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(text);
  if (!found) return false;
  const family = isIP(found[1] ?? "");
  return family !== 0 && Number(found[2]) <= (family === 4 ? 32 : 128);
}

export const formats = {
  int32: {
    type: "number" as const,
    validate: (value: number) => !Number.isInteger(value) || Math.abs(value + 0.5) < 2 ** 31,
  },
  int64: { type: "number" as const, validate: ignored },
  float: { type: "number" as const, validate: ignored },
  double: { type: "number" as const, validate: ignored },
  byte: base64,
  date: /^\d{4}-\d{2}-\d{2}$/,
  "date-time": (text: string) => dateTime.test(text) && !Number.isNaN(Date.parse(text)),
  ipv4: isIPv4,
  ipv6: isIPv6,
  ip: (text: string) => isIP(text) !== 0,
  cidr: isCidr,
  mac,
  uuid,
  hostname: /^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*$/,
  uri: (text: string) => URL.canParse(text),
  email: /^[^@\s]+@[^@\s]+$/,
  duration: ignored,
  password: ignored,
  binary: ignored,
};
