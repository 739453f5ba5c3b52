// Layer7 -> protobuf's JSON of flow.Layer7.
import type { JsonObject } from "@bufbuild/protobuf";
import { L7FlowTypeSchema } from "../gen/flow/flow_pb.ts";
import type { Layer7 } from "../model.ts";
import { JsonFields } from "./json-fields.ts";

export function layer7ToJson(l7: Layer7): JsonObject {
  return new JsonFields()
    .enum("type", l7.type, L7FlowTypeSchema)
    .long("latency_ns", l7.latencyNs)
    .value(l7.kind, recordToJson(l7)).object;
}

function recordToJson(l7: Layer7): JsonObject {
  const fields = new JsonFields();
  switch (l7.kind) {
    case "dns":
      return fields
        .scalar("query", l7.query)
        .list("ips", l7.ips)
        .scalar("ttl", l7.ttl)
        .list("cnames", l7.cnames)
        .scalar("observation_source", l7.observationSource)
        .scalar("rcode", l7.rcode)
        .list("qtypes", l7.qtypes)
        .list("rrtypes", l7.rrtypes).object;
    case "http": {
      const headers = l7.headers.map(
        ({ key, value }) => new JsonFields().scalar("key", key).scalar("value", value).object,
      );
      return fields
        .scalar("code", l7.code)
        .scalar("method", l7.method)
        .scalar("url", l7.url)
        .scalar("protocol", l7.protocol)
        .list("headers", headers).object;
    }
    case "kafka":
      return fields
        .scalar("error_code", l7.errorCode)
        .scalar("api_version", l7.apiVersion)
        .scalar("api_key", l7.apiKey)
        .scalar("correlation_id", l7.correlationId)
        .scalar("topic", l7.topic).object;
  }
}
