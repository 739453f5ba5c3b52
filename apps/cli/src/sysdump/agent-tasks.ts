// What an agent tells of itself: every GET route of its API that asks for nothing and ends.
import { getJson } from "../agent-client.ts";
import type { Task } from "./collect.ts";

type OpenApi = {
  readonly paths: Readonly<
    Record<string, { readonly get?: { readonly parameters?: readonly Parameter[] } }>
  >;
};

type Parameter = { readonly in?: string; readonly required?: boolean };

/** Streams and what waits for something; the document itself. */
const left: ReadonlySet<string> = new Set(["/v1/monitor", "/v1/barrier", "/v1/openapi.json"]);

function isNeeded(parameter: Parameter): boolean {
  return parameter.in === "path" || parameter.required === true;
}

/** Of an agent that answers; what it has come to serve since this was written is in it. @throws CommandError */
export async function agentTasks(
  folder: string,
  socket: string,
  signal: AbortSignal,
): Promise<Task[]> {
  const { paths } = await getJson<OpenApi>(socket, "/v1/openapi.json", signal);
  return Object.entries(paths)
    .filter(([path, { get }]) => get && !left.has(path) && !get.parameters?.some(isNeeded))
    .map(([path]) => ({
      name: `${folder}/agent/${path.replace(/^\/v1\//, "").replaceAll("/", "-")}.json`,
      read: async (ended) =>
        ({ kind: "json", value: await getJson<unknown>(socket, path, ended) }) as const,
    }));
}
