// What a list or a watch may say of versions and initial events, and how it is refused.
import { badRequest, field, invalid, type Cause } from "../errors.ts";

const subject = { group: "meta.k8s.io", plural: "", kind: "ListOptions" };
const matches = ["Exact", "NotOlderThan", ""];

/** A query parameter that is a number, or undefined when it is not there. @throws ApiError BadRequest */
export function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(`${name} must be a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}

/** @throws ApiError BadRequest, Invalid */
export function checkListOptions(query: URLSearchParams): void {
  const version = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  const continues = (query.get("continue") ?? "") !== "";
  if (query.has("sendInitialEvents"))
    throw refused("sendInitialEvents", "sendInitialEvents is forbidden for list");
  if (match !== "") checkMatch({ version, match, continues });
  if (continues && version !== "" && version !== "0")
    throw badRequest("specifying resource version is not allowed when using continue");
}

type Said = { readonly version: string; readonly match: string; readonly continues: boolean };

function checkMatch({ version, match, continues }: Said): void {
  const name = "resourceVersionMatch";
  if (!matches.includes(match))
    throw invalid(subject, "", [field.notSupported(name, match, matches)]);
  if (version === "")
    throw refused(name, `${name} is forbidden unless resourceVersion is provided`);
  if (continues) throw refused(name, `${name} is forbidden when continue is provided`);
  if (match === "Exact" && version === "0")
    throw refused(name, `${name} "exact" is forbidden for resourceVersion "0"`);
}

/** @throws ApiError Invalid */
export function checkWatchOptions(query: URLSearchParams): void {
  const match = query.get("resourceVersionMatch") ?? "";
  const name = "resourceVersionMatch";
  if (!query.has("sendInitialEvents")) {
    const why = `${name} is forbidden for watch unless sendInitialEvents is provided`;
    if (match !== "") throw refused(name, why);
    return;
  }
  if (match !== "NotOlderThan") {
    const why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
    throw refused(name, why);
  }
}

function refused(path: string, why: string): Error {
  const cause: Cause = field.forbidden(path, why);
  return invalid(subject, "", [cause]);
}
