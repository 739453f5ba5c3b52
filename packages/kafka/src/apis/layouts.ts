// Layouts of a version of a request or response, each made once.
import { type Fields, type Layout, layOut } from "../protocol/schema.ts";
import { type Api, apiKeys } from "./api.ts";
import { echoedFields, requestFields } from "./requests.ts";
import { responseFields } from "./responses.ts";

const requests = new Map<number, Layout | undefined>();
const responses = new Map<number, Layout | undefined>();

/** The body of a request of a version that is understood; undefined: it is not looked into. */
export function requestLayout(api: Api, version: number): Layout | undefined {
  return remembered(
    requests,
    { api, version },
    requestFields.get(api.key) ?? echoedFields.get(api.key),
  );
}

/** The body of its response; undefined: not described. */
export function responseLayout(api: Api, version: number): Layout | undefined {
  return remembered(responses, { api, version }, responseFields.get(api.key));
}

export function isFlexible(api: Api, version: number): boolean {
  return version >= api.flexibleFrom;
}

/** Clients must understand answers to ApiVersions before they know what the broker speaks: their headers have no tags. */
export function hasTaggedResponseHeader(api: Api, version: number): boolean {
  return isFlexible(api, version) && api.key !== apiKeys.apiVersions;
}

function remembered(
  layouts: Map<number, Layout | undefined>,
  { api, version }: { api: Api; version: number },
  fields: Fields | undefined,
): Layout | undefined {
  const key = api.key * 1000 + version;
  if (!layouts.has(key))
    layouts.set(key, fields && layOut(fields, version, isFlexible(api, version)));
  return layouts.get(key);
}
