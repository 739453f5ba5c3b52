// Kafka's APIs by name, and what Cilium's roles stand for.

/** Names in lower case, in the order of their numbers (Kafka's protocol guide, "API keys"). */
const names = [
  "produce",
  "fetch",
  "offsets",
  "metadata",
  "leaderandisr",
  "stopreplica",
  "updatemetadata",
  "controlledshutdown",
  "offsetcommit",
  "offsetfetch",
  "findcoordinator",
  "joingroup",
  "heartbeat",
  "leavegroup",
  "syncgroup",
  "describegroups",
  "listgroups",
  "saslhandshake",
  "apiversions",
  "createtopics",
  "deletetopics",
  "deleterecords",
  "initproducerid",
  "offsetforleaderepoch",
  "addpartitionstotxn",
  "addoffsetstotxn",
  "endtxn",
  "writetxnmarkers",
  "txnoffsetcommit",
  "describeacls",
  "createacls",
  "deleteacls",
  "describeconfigs",
  "alterconfigs",
  // Cilium's list ends here.
  "alterreplicalogdirs",
  "describelogdirs",
  "saslauthenticate",
  "createpartitions",
  "createdelegationtoken",
  "renewdelegationtoken",
  "expiredelegationtoken",
  "describedelegationtoken",
  "deletegroups",
  "electleaders",
  "incrementalalterconfigs",
  "alterpartitionreassignments",
  "listpartitionreassignments",
  "offsetdelete",
  "describeclientquotas",
  "alterclientquotas",
  "describeuserscramcredentials",
  "alteruserscramcredentials",
] as const;

/** Kafka's own name besides Cilium's. */
const others = [
  ["listoffsets", 2],
  ["describecluster", 60],
  ["describeproducers", 61],
  ["describetransactions", 65],
  ["listtransactions", 66],
  ["consumergroupheartbeat", 68],
  ["consumergroupdescribe", 69],
  ["describetopicpartitions", 75],
] as const;

export const kafkaApiKeys: ReadonlyMap<string, number> = new Map<string, number>([
  ...names.map((name, key) => [name, key] as const),
  ...others,
]);

const keysOf = (...wanted: readonly ((typeof names)[number] | (typeof others)[number][0])[]) =>
  wanted.map((name) => kafkaApiKeys.get(name) as number);

/** What a client of any kind says before its first request of interest. */
const greetings = ["apiversions", "metadata", "saslhandshake", "saslauthenticate"] as const;

/**
 * What Cilium's roles stand for, and what clients of today need besides: its lists are of Kafka 1.0, and a producer has been
 * idempotent by default since 3.0. Nothing more than what belongs to producing or consuming.
 */
export const kafkaRoles = {
  produce: keysOf(
    ...greetings,
    "produce",
    "findcoordinator",
    "initproducerid",
    "addpartitionstotxn",
    "addoffsetstotxn",
    "endtxn",
    "txnoffsetcommit",
  ),
  consume: keysOf(
    ...greetings,
    "fetch",
    "offsets",
    "offsetcommit",
    "offsetfetch",
    "findcoordinator",
    "joingroup",
    "heartbeat",
    "leavegroup",
    "syncgroup",
    "offsetforleaderepoch",
    "consumergroupheartbeat",
  ),
} as const satisfies Record<string, readonly number[]>;
