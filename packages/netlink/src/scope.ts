// How far an address or a route reaches (RT_SCOPE_*, linux/rtnetlink.h). Pure.

export type Scope = "universe" | "site" | "link" | "host" | "nowhere" | `scope-${number}`;

const numbers: ReadonlyMap<Scope, number> = new Map([
  ["universe", 0],
  ["site", 200],
  ["link", 253],
  ["host", 254],
  ["nowhere", 255],
]);
const names = new Map([...numbers].map(([name, number]) => [number, name]));

export function scopeNumber(scope: Scope): number {
  return numbers.get(scope) ?? Number(scope.slice("scope-".length));
}

export function scopeName(number: number): Scope {
  return names.get(number) ?? `scope-${number}`;
}
