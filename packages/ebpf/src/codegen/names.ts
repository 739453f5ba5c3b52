// C names to TypeScript names.

/** snake_case to camelCase: "low_address" is lowAddress. */
export function camelCase(name: string): string {
  return name
    .replace(/^_+/, "")
    .replace(/_+([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** snake_case to PascalCase: "conntrack_key4" is ConntrackKey4. */
export function pascalCase(name: string): string {
  const camel = camelCase(name);
  return camel.charAt(0).toUpperCase() + camel.slice(1);
}

/** Whether a field only fills a gap: reserved, pad, _pad2, reserved1. */
export function isPadding(name: string): boolean {
  return /^_*(reserved|pad|padding)\d*$/.test(name);
}

/**
 * Keys for an enum's values: lower camel case without the words they all begin with
 * (EVENT_DROP, EVENT_TRACE -> drop, trace; a single value loses all but its last word).
 */
export function enumKeys(names: readonly string[]): string[] {
  const words = names.map((name) => name.split("_"));
  const shortest = Math.min(...words.map((parts) => parts.length));
  let shared = 0;
  while (shared < shortest - 1 && words.every((parts) => parts[shared] === words[0]?.[shared]))
    shared++;
  return words.map((parts) => {
    const key = camelCase(parts.slice(shared).join("_").toLowerCase());
    return /^\d/.test(key) ? `_${key}` : key;
  });
}
