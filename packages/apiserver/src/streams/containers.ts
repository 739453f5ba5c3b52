// Which of a pod's containers a request means, in Kubernetes' own words where it means none. Pure.
import { ApiError, badRequest } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import type { ApiObject, Fields } from "../objects/object.ts";

/** The node that runs the pod. @throws ApiError BadRequest where it has none yet */
export function nodeOf(pod: ApiObject): string {
  const { nodeName } = specOf(pod);
  if (typeof nodeName === "string" && nodeName !== "") return nodeName;
  throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
}

/** @throws ApiError BadRequest for a name that is none of the pod's, or none where it has several */
export function containerOf(pod: ApiObject, asked: string | null): string {
  const { name } = pod.metadata;
  const main = namesIn(pod, "containers");
  const init = namesIn(pod, "initContainers");
  if (asked) {
    if (main.includes(asked) || init.includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  const [only, ...others] = main;
  if (only !== undefined && others.length === 0) return only;
  const also = init.length > 0 ? ` or one of the init containers: [${init.join(" ")}]` : "";
  throw badRequest(
    `a container name must be specified for pod ${name}, choose one of: [${main.join(" ")}]${also}`,
  );
}

/** @throws ApiError for a pod that has run to its end: there is nothing left to enter */
export function checkNotOver(pod: ApiObject): void {
  const status = pod["status"];
  const phase = isRecord(status) ? status["phase"] : undefined;
  if (phase !== "Succeeded" && phase !== "Failed") return;
  throw new ApiError(
    400,
    "BadRequest",
    `cannot exec in a stopped state: pod ${pod.metadata.name} is ${phase}`,
  );
}

const specOf = (pod: ApiObject): Fields => (isRecord(pod["spec"]) ? pod["spec"] : {});

function namesIn(pod: ApiObject, list: string): string[] {
  const entries = specOf(pod)[list];
  return (Array.isArray(entries) ? entries : []).map((entry) => String((entry as Fields)["name"]));
}
