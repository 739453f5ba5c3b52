// What is asked of a Hubble server: flows that may say who began a connection, and what policy made of it.
import { create } from "@bufbuild/protobuf";
import { timestampFromNs } from "@tsilium/hubble/codec/index.ts";
import { type FlowFilter, FlowFilterSchema } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import {
  type GetFlowsRequest,
  GetFlowsRequestSchema,
} from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { EventType, Verdict } from "@tsilium/hubble/model.ts";
import { momentForms, parseMoment } from "../../../hubble/src/time/moments.ts";
import { CommandError } from "../failure.ts";
import type { FlowSource } from "./recorded-flows.ts";

/** As many as there are. */
const everything = 2n ** 64n - 1n;

/** @param namespaces of one end; undefined: of all. @throws CommandError for what is no moment */
export function flowsRequestOf(
  { since: from, until: to }: FlowSource,
  namespaces: readonly string[] | undefined,
  nowNs: bigint,
): GetFlowsRequest {
  const since = momentOf("since", from, nowNs);
  const until = momentOf("until", to, nowNs);
  return create(GetFlowsRequestSchema, {
    whitelist: whitelist(namespaces),
    ...(since === undefined && until === undefined ? { number: everything } : {}),
    ...(since === undefined ? {} : { since: timestampFromNs(since) }),
    ...(until === undefined ? {} : { until: timestampFromNs(until) }),
  });
}

function momentOf(name: string, text: string | undefined, nowNs: bigint): bigint | undefined {
  if (text === undefined) return undefined;
  const moment = parseMoment(text, nowNs);
  if (moment !== undefined && moment >= 0n) return moment;
  throw new CommandError(`--${name}: "${text}" is no moment`, `Write ${momentForms}.`);
}

/** Neither replies nor translations, which are most of what there is. */
function whitelist(namespaces: readonly string[] | undefined): FlowFilter[] {
  const kinds = [
    { reply: [false] },
    { verdict: [Verdict.dropped, Verdict.audit] },
    { eventType: [{ type: EventType.policyVerdict }] },
  ];
  if (namespaces === undefined) return kinds.map((kind) => create(FlowFilterSchema, kind));
  const pods = namespaces.map((namespace) => `${namespace}/`);
  return kinds.flatMap((kind) => [
    create(FlowFilterSchema, { ...kind, sourcePod: pods }),
    create(FlowFilterSchema, { ...kind, destinationPod: pods }),
  ]);
}
