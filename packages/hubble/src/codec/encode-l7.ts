// Layer7 -> flow.Layer7: DNS, HTTP and Kafka records.
import type { Layer7 } from "../model.ts";
import type { Writer } from "./writer.ts";

type Of<K extends Layer7["kind"]> = Extract<Layer7, { kind: K }>;

export function writeLayer7(to: Writer, l7: Layer7): void {
  const begin = to.open(122);
  to.intField(8, l7.type);
  to.longField(16, l7.latencyNs);
  switch (l7.kind) {
    case "dns":
      writeDns(to, l7);
      break;
    case "http":
      writeHttp(to, l7);
      break;
    case "kafka":
      writeKafka(to, l7);
      break;
  }
  to.close(begin);
}

function writeDns(to: Writer, dns: Of<"dns">): void {
  const begin = to.open(802);
  to.stringField(10, dns.query);
  to.strings(18, dns.ips);
  to.uintField(24, dns.ttl);
  to.strings(34, dns.cnames);
  to.stringField(42, dns.observationSource);
  to.uintField(48, dns.rcode);
  to.strings(58, dns.qtypes);
  to.strings(66, dns.rrtypes);
  to.close(begin);
}

function writeHttp(to: Writer, http: Of<"http">): void {
  const begin = to.open(810);
  to.uintField(8, http.code);
  to.stringField(18, http.method);
  to.stringField(26, http.url);
  to.stringField(34, http.protocol);
  for (const { key, value } of http.headers) {
    const header = to.open(42);
    to.stringField(10, key);
    to.stringField(18, value);
    to.close(header);
  }
  to.close(begin);
}

function writeKafka(to: Writer, kafka: Of<"kafka">): void {
  const begin = to.open(818);
  to.intField(8, kafka.errorCode);
  to.intField(16, kafka.apiVersion);
  to.stringField(26, kafka.apiKey);
  to.intField(32, kafka.correlationId);
  to.stringField(42, kafka.topic);
  to.close(begin);
}
