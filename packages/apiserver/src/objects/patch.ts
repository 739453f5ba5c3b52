// JSON merge patch (RFC 7386) and JSON patch (RFC 6902). Pure: the target is never changed.
import { ApiError, badRequest } from "../errors.ts";
import { cloneJson, isRecord, sameJson } from "./json.ts";

/** RFC 7386: objects merge, null removes, everything else replaces. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

const maxOperations = 10_000;

/**
 * RFC 6902, all six operations, all or nothing.
 * @throws ApiError BadRequest for what is no patch, Invalid (422) when it cannot be applied to this target.
 */
export function jsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest("a JSON patch is a list of operations");
  if (patch.length > maxOperations) {
    throw new ApiError(
      413,
      "RequestEntityTooLarge",
      `a JSON patch has at most ${maxOperations} operations`,
    );
  }
  let document = cloneJson(target);
  patch.forEach((operation: unknown, index) => {
    document = applyOperation(document, operation, index);
  });
  return document;
}

function applyOperation(document: unknown, operation: unknown, index: number): unknown {
  if (!isRecord(operation)) throw badRequest(`operation ${index} is not an object`);
  const { op, value } = operation;
  const path = pointer(operation["path"], index);
  const fail = (why: string) =>
    new ApiError(422, "Invalid", `the patch cannot be applied: operation ${index}: ${why}`);
  switch (op) {
    case "add":
      return add(document, path, cloneJson(value), fail);
    case "remove":
      return remove(document, path, fail).document;
    case "replace":
      read(document, path, fail);
      return path.length === 0
        ? cloneJson(value)
        : add(remove(document, path, fail).document, path, cloneJson(value), fail);
    case "move": {
      const from = pointer(operation["from"], index);
      if (path.length > from.length && from.every((part, at) => part === path[at])) {
        throw fail("a value cannot be moved into itself");
      }
      const taken = remove(document, from, fail);
      return add(taken.document, path, taken.value, fail);
    }
    case "copy":
      return add(
        document,
        path,
        cloneJson(read(document, pointer(operation["from"], index), fail)),
        fail,
      );
    case "test":
      if (!sameJson(read(document, path, fail), value))
        throw fail(`test failed at ${String(operation["path"])}`);
      return document;
    default:
      throw badRequest(`operation ${index}: unknown op ${JSON.stringify(op)}`);
  }
}

/** RFC 6901. "__proto__" never names a field here. */
function pointer(text: unknown, index: number): string[] {
  if (text === "") return [];
  if (typeof text !== "string" || !text.startsWith("/"))
    throw badRequest(`operation ${index}: bad path`);
  const parts = text.slice(1).split("/");
  if (parts.includes("__proto__")) throw badRequest(`operation ${index}: bad path`);
  return parts.map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

type Fail = (why: string) => ApiError;

function read(document: unknown, path: readonly string[], fail: Fail): unknown {
  let value = document;
  for (const part of path) value = child(value, part, fail);
  return value;
}

function child(container: unknown, part: string, fail: Fail): unknown {
  if (Array.isArray(container)) return container[arrayIndex(container, part, "existing", fail)];
  if (isRecord(container) && Object.hasOwn(container, part)) return container[part];
  throw fail(`there is no ${JSON.stringify(part)}`);
}

function arrayIndex(
  list: readonly unknown[],
  part: string,
  which: "existing" | "insert",
  fail: Fail,
): number {
  if (part === "-" && which === "insert") return list.length;
  const index = /^(0|[1-9][0-9]{0,9})$/.test(part) ? Number(part) : Number.NaN;
  const limit = which === "insert" ? list.length : list.length - 1;
  if (!(index <= limit)) throw fail(`${JSON.stringify(part)} is not an index of the list`);
  return index;
}

function add(document: unknown, path: readonly string[], value: unknown, fail: Fail): unknown {
  const last = path.at(-1);
  if (last === undefined) return value;
  const container = read(document, path.slice(0, -1), fail);
  if (Array.isArray(container))
    container.splice(arrayIndex(container, last, "insert", fail), 0, value);
  else if (isRecord(container)) container[last] = value;
  else throw fail(`${JSON.stringify(last)} cannot be added to what is no object or list`);
  return document;
}

function remove(
  document: unknown,
  path: readonly string[],
  fail: Fail,
): { readonly document: unknown; readonly value: unknown } {
  const last = path.at(-1);
  if (last === undefined) return { document: null, value: document };
  const container = read(document, path.slice(0, -1), fail);
  const value = child(container, last, fail);
  if (Array.isArray(container)) container.splice(Number(last), 1);
  else if (isRecord(container)) delete container[last];
  return { document, value };
}
