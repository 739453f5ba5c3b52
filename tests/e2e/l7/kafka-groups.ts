// Every field of Kafka rules, with kcat and librdkafka's mock broker.
import { allowed, denied, type Group, type Row, type Told } from "./rows.ts";

export const topics = ["orders", "audit"] as const;

/** Both of a producer's and of a consumer's, before they say what they want. */
const greeting: readonly Told[] = [
  allowed("Kafka apiversions", "request"),
  // librdkafka asks in the newest version that it knows, and is told which the broker knows.
  allowed("Kafka apiversions: error 35", "reply"),
  allowed("Kafka apiversions", "request"),
  allowed("Kafka apiversions", "reply"),
];
const goes = (what: string): readonly Told[] => [
  allowed(`Kafka ${what}`, "request"),
  allowed(`Kafka ${what}`, "reply"),
];
const isDenied = (what: string): Told => denied(`Kafka ${what}: error 29`);
const clusterDenied = "exit 1 Cluster authorization failed";
const topicDenied = "exit 1 Topic authorization failed";

const produced = [...goes("metadata orders"), ...goes("produce orders")];
const consumed = [...goes("metadata orders"), ...goes("offsets orders"), ...goes("fetch orders")];
const basics = [{ apiKey: "apiversions" }, { apiKey: "metadata" }];

export const kafkaGroups: readonly Group[] = [
  {
    name: "kafka-produce",
    port: 9201,
    rule: { kafka: [{ role: "produce", topic: "orders" }] },
    rows: [
      produce("the topic", "orders", "exit 0", produced),
      produce("another topic", "audit", topicDenied, [isDenied("metadata audit")]),
      consume("as a consumer", "orders", topicDenied, [
        ...goes("metadata orders"),
        isDenied("offsets orders"),
      ]),
    ],
  },
  {
    name: "kafka-consume",
    port: 9202,
    rule: { kafka: [{ role: "consume", topic: "orders" }] },
    rows: [
      consume("the topic", "orders", "exit 0", consumed),
      consume("another topic", "audit", topicDenied, [isDenied("metadata audit")]),
      produce("as a producer", "orders", topicDenied, [
        ...goes("metadata orders"),
        isDenied("produce orders"),
      ]),
    ],
  },
  {
    name: "kafka-api",
    port: 9203,
    rule: { kafka: [...basics, { apiKey: "Produce", topic: "orders" }] },
    rows: [
      produce("the API and the topic", "orders", "exit 0", produced),
      produce("the API and another topic", "audit", topicDenied, [
        ...goes("metadata audit"),
        isDenied("produce audit"),
      ]),
      consume("another API", "orders", topicDenied, [
        ...goes("metadata orders"),
        isDenied("offsets orders"),
      ]),
    ],
  },
  {
    name: "kafka-client",
    port: 9204,
    rule: { kafka: [{ clientID: "billing" }] },
    rows: [
      produce("the client", "orders", "exit 0", produced, "-X", "client.id=billing"),
      {
        ...produce("another client", "orders", clusterDenied, [], "-X", "client.id=other"),
        flows: [denied("Kafka apiversions: error 31")],
      },
    ],
  },
  {
    name: "kafka-version",
    port: 9205,
    rule: { kafka: [...basics, { apiKey: "produce", apiVersion: "7" }] },
    rows: [produce("the version that kcat speaks", "orders", "exit 0", produced)],
  },
  {
    name: "kafka-old-version",
    port: 9206,
    rule: { kafka: [...basics, { apiKey: "produce", apiVersion: "6" }] },
    rows: [
      produce("another version", "orders", topicDenied, [
        ...goes("metadata orders"),
        isDenied("produce orders"),
      ]),
    ],
  },
  {
    name: "kafka-topic",
    port: 9207,
    rule: { kafka: [{ topic: "orders" }] },
    rows: [
      produce("producing", "orders", "exit 0", produced),
      consume("consuming", "orders", "exit 0", consumed),
      produce("another topic", "audit", topicDenied, [isDenied("metadata audit")]),
    ],
  },
];

function produce(
  what: string,
  topic: string,
  comesTo: string,
  flows: readonly Told[],
  ...options: string[]
): Row {
  return kcat(what, ["-P", "-t", topic, ...options], comesTo, flows);
}

function consume(what: string, topic: string, comesTo: string, flows: readonly Told[]): Row {
  return kcat(what, ["-C", "-e", "-q", "-t", topic], comesTo, flows);
}

function kcat(
  what: string,
  words: readonly string[],
  comesTo: string,
  flows: readonly Told[],
): Row {
  return {
    what,
    ask: ({ authority }) => ({
      kind: "run",
      command: ["kcat", "-b", authority, "-X", "message.timeout.ms=5000", ...words],
      input: words[0] === "-P" ? "a message\n" : "",
    }),
    comesTo,
    repeats: true,
    // Now and then librdkafka asks about brokers alone.
    maybe: goes("metadata"),
    flows: [...greeting, ...flows],
  };
}
