// Identities as people read them: reserved ones by name.
import { ReservedIdentity } from "@tsilium/identity/model.ts";

const names = new Map<number, string>(
  Object.entries(ReservedIdentity).map(([name, id]) => [id, name]),
);

/** "world" for 2, the number for what is not reserved. */
export function identityName(id: number): string {
  return names.get(id) ?? String(id);
}
