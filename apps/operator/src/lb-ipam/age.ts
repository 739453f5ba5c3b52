// Who comes first: the older one, and of the same second the one whose name sorts first.
export type Aged = {
  /** RFC 3339, UTC. */
  readonly createdAt: string;
  readonly name: string;
};

/** Order for sorting, oldest first. */
export function byAge(a: Aged, b: Aged): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
  if (a.name === b.name) return 0;
  return a.name < b.name ? -1 : 1;
}
