// Layer7 <-> protobuf-es's flow.Layer7.
import { create } from "@bufbuild/protobuf";
import { type Layer7 as Layer7Message, Layer7Schema } from "../gen/flow/flow_pb.ts";
import type { Layer7 } from "../model.ts";
import { layer7Type } from "./wire.ts";

/** undefined: no record that the model has. */
export function layer7FromMessage({ type, latencyNs, record }: Layer7Message): Layer7 | undefined {
  const common = { type: layer7Type(type), latencyNs: Number(latencyNs) };
  switch (record.case) {
    case "dns": {
      const { query, ips, ttl, cnames, observationSource, rcode, qtypes, rrtypes } = record.value;
      const dns = { query, ips, ttl, cnames, observationSource, rcode, qtypes, rrtypes };
      return { ...common, kind: "dns", ...dns };
    }
    case "http": {
      const { code, method, url, protocol } = record.value;
      const headers = record.value.headers.map(({ key, value }) => ({ key, value }));
      return { ...common, kind: "http", code, method, url, protocol, headers };
    }
    case "kafka": {
      const { errorCode, apiVersion, apiKey, correlationId, topic } = record.value;
      return { ...common, kind: "kafka", errorCode, apiVersion, apiKey, correlationId, topic };
    }
    case undefined:
      return undefined;
  }
}

export function messageFromLayer7(l7: Layer7): Layer7Message {
  return create(Layer7Schema, {
    type: l7.type,
    latencyNs: BigInt(l7.latencyNs),
    record: recordInit(l7),
  });
}

function recordInit(l7: Layer7) {
  switch (l7.kind) {
    case "dns": {
      const lists = {
        ips: [...l7.ips],
        cnames: [...l7.cnames],
        qtypes: [...l7.qtypes],
        rrtypes: [...l7.rrtypes],
      };
      const { query, ttl, observationSource, rcode } = l7;
      return { case: "dns", value: { query, ttl, observationSource, rcode, ...lists } } as const;
    }
    case "http": {
      const { code, method, url, protocol, headers } = l7;
      const value = {
        code,
        method,
        url,
        protocol,
        headers: headers.map((header) => ({ ...header })),
      };
      return { case: "http", value } as const;
    }
    case "kafka": {
      const { errorCode, apiVersion, apiKey, correlationId, topic } = l7;
      const value = { errorCode, apiVersion, apiKey, correlationId, topic };
      return { case: "kafka", value } as const;
    }
  }
}
