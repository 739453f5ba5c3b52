// A minimal OpenAPI document: kubectl asks for one, and is content with one that describes nothing.
import { ApiError } from "../errors.ts";
import { versionInfo } from "./discovery.ts";

/** @throws ApiError NotAcceptable when the client takes protobuf alone, as kubectl 1.20 does for checks. */
export function openApi(version: "v2" | "v3", accept: string | undefined): object {
  const types = (accept ?? "*/*").split(",").map((type) => type.split(";", 1)[0]?.trim());
  if (
    !types.some((type) => type === "*/*" || type === "application/*" || type === "application/json")
  ) {
    throw new ApiError(
      406,
      "NotAcceptable",
      "only application/json is served: use --validate=false",
    );
  }
  const info = { title: "Tsilium", version: versionInfo.gitVersion };
  return version === "v2" ? { swagger: "2.0", info, paths: {}, definitions: {} } : { paths: {} };
}
