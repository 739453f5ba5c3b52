// Acting as somebody else (kubectl --as): the Impersonate- headers. Never passed over: who may not, or asks for what is not
// known, is refused; answered with one's own rights, a client would take what it sees for the other's.
import type { IncomingMessage } from "node:http";
import { ApiError, badRequest } from "../errors.ts";
import type { User } from "./user.ts";

const prefix = "impersonate-";
const maxGroups = 100;

/**
 * Who the request is to be seen as coming from; undefined where that is the user itself.
 * @throws ApiError Forbidden for who may not, BadRequest for headers that say nothing we know
 */
export function impersonated(
  { headersDistinct }: Pick<IncomingMessage, "headersDistinct">,
  user: User,
): User | undefined {
  const names = Object.keys(headersDistinct).filter((name) => name.startsWith(prefix));
  if (names.length === 0) return undefined;
  const [name = "", ...more] = headersDistinct["impersonate-user"] ?? [];
  const groups = headersDistinct["impersonate-group"] ?? [];
  // The only ones who may everything: `impersonate` is a verb on users and groups, and no other role has it.
  if (!user.groups.includes("system:masters")) throw forbiddenAs(user, name);
  if (name === "" || more.length > 0)
    throw badRequest("requested impersonation without exactly one user to impersonate");
  const known = /^impersonate-(user|group|uid|extra-.+)$/;
  const unknown = names.find((header) => !known.test(header));
  if (unknown !== undefined) throw badRequest(`unknown impersonation header ${unknown}`);
  if (groups.length > maxGroups) throw badRequest(`more than ${maxGroups} groups to impersonate`);
  const isAnonymous = name === "system:anonymous";
  const state = isAnonymous ? "system:unauthenticated" : "system:authenticated";
  const others = groups.filter((group) => group !== state && group !== "");
  return { name, groups: [...others, state] };
}

function forbiddenAs(user: User, name: string): ApiError {
  if (user.groups.includes("system:unauthenticated"))
    return new ApiError(401, "Unauthorized", "Unauthorized");
  const why = `User "${user.name}" cannot impersonate resource "users" in API group "" at the cluster scope`;
  return new ApiError(403, "Forbidden", `users ${JSON.stringify(name)} is forbidden: ${why}`, {
    name,
    kind: "users",
  });
}
