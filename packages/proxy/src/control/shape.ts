// What a value from another process must look like. A proxy parses what strangers send, so what it tells the agent is
// believed no further than its shape; and the other way round a bad line must not end a proxy.

export class ShapeError extends Error {
  override readonly name = "ShapeError";
  readonly code = "control_line_invalid";

  constructor(path: string, wanted: string) {
    super(`control line: ${path} is not ${wanted}`);
  }
}

export type Fields = Readonly<Record<string, unknown>>;

/** Each takes a value and its place, and answers it with its type. @throws ShapeError */
export function object(value: unknown, path: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ShapeError(path, "an object");
  return value as Fields;
}

export function list<T>(
  value: unknown,
  path: string,
  item: (value: unknown, path: string) => T,
): readonly T[] {
  if (!Array.isArray(value)) throw new ShapeError(path, "a list");
  return value.map((entry, index) => item(entry, `${path}[${index}]`));
}

export function text(value: unknown, path: string, maxLength = 65_536): string {
  if (typeof value !== "string" || value.length > maxLength)
    throw new ShapeError(path, `text of at most ${maxLength} characters`);
  return value;
}

export function whole(value: unknown, path: string, max: number = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > max)
    throw new ShapeError(path, `a whole number from 0 to ${max}`);
  return value as number;
}

export function flag(value: unknown, path: string): boolean {
  if (typeof value !== "boolean") throw new ShapeError(path, "true or false");
  return value;
}

export function choice<T extends string>(value: unknown, path: string, choices: readonly T[]): T {
  if (!choices.includes(value as T)) throw new ShapeError(path, `one of ${choices.join(", ")}`);
  return value as T;
}

/** For fields that may be left out. */
export function optional<T>(
  value: unknown,
  path: string,
  check: (value: unknown, path: string) => T,
): T | undefined {
  return value === undefined || value === null ? undefined : check(value, path);
}
