// Every API of the protocol up to Kafka 4.2: its key, its name as Cilium writes it, the newest version known here, the
// first version with compact fields and tags, and whether its requests name topics.

export type Api = {
  readonly key: number;
  readonly name: string;
  /** Newest version that is understood. */
  readonly newest: number;
  /** First flexible version; Infinity: none. */
  readonly flexibleFrom: number;
  /**
   * "named": its requests are read for topics. "none": they name none. "opaque": they name topics, or carry other
   * requests, in a way that is not looked into: requests between brokers, of controllers, about ACLs, of share and
   * streams groups.
   */
  readonly topics: "named" | "none" | "opaque";
};

const never = Infinity;

const rows: readonly (readonly [number, string, number, number, Api["topics"]])[] = [
  [0, "produce", 13, 9, "named"],
  [1, "fetch", 18, 12, "named"],
  [2, "offsets", 11, 6, "named"],
  [3, "metadata", 13, 9, "named"],
  [4, "leaderandisr", 7, 4, "opaque"],
  [5, "stopreplica", 4, 2, "opaque"],
  [6, "updatemetadata", 8, 6, "opaque"],
  [7, "controlledshutdown", 3, 3, "opaque"],
  [8, "offsetcommit", 10, 8, "named"],
  [9, "offsetfetch", 10, 6, "named"],
  [10, "findcoordinator", 6, 3, "none"],
  [11, "joingroup", 9, 6, "none"],
  [12, "heartbeat", 4, 4, "none"],
  [13, "leavegroup", 5, 4, "none"],
  [14, "syncgroup", 5, 4, "none"],
  [15, "describegroups", 6, 5, "none"],
  [16, "listgroups", 5, 3, "none"],
  [17, "saslhandshake", 1, never, "none"],
  [18, "apiversions", 4, 3, "none"],
  [19, "createtopics", 7, 5, "named"],
  [20, "deletetopics", 6, 4, "named"],
  [21, "deleterecords", 2, 2, "named"],
  [22, "initproducerid", 6, 2, "none"],
  [23, "offsetforleaderepoch", 4, 4, "named"],
  [24, "addpartitionstotxn", 5, 3, "named"],
  [25, "addoffsetstotxn", 4, 3, "none"],
  [26, "endtxn", 5, 3, "none"],
  [27, "writetxnmarkers", 2, 1, "opaque"],
  [28, "txnoffsetcommit", 5, 3, "named"],
  [29, "describeacls", 3, 2, "opaque"],
  [30, "createacls", 3, 2, "opaque"],
  [31, "deleteacls", 3, 2, "opaque"],
  [32, "describeconfigs", 4, 4, "named"],
  [33, "alterconfigs", 2, 2, "named"],
  [34, "alterreplicalogdirs", 2, 2, "named"],
  [35, "describelogdirs", 5, 2, "named"],
  [36, "saslauthenticate", 2, 2, "none"],
  [37, "createpartitions", 3, 2, "named"],
  [38, "createdelegationtoken", 3, 2, "none"],
  [39, "renewdelegationtoken", 2, 2, "none"],
  [40, "expiredelegationtoken", 2, 2, "none"],
  [41, "describedelegationtoken", 3, 2, "none"],
  [42, "deletegroups", 2, 2, "none"],
  [43, "electleaders", 2, 2, "named"],
  [44, "incrementalalterconfigs", 1, 1, "named"],
  [45, "alterpartitionreassignments", 1, 0, "named"],
  [46, "listpartitionreassignments", 0, 0, "named"],
  [47, "offsetdelete", 0, never, "named"],
  [48, "describeclientquotas", 1, 1, "none"],
  [49, "alterclientquotas", 1, 1, "none"],
  [50, "describeuserscramcredentials", 0, 0, "none"],
  [51, "alteruserscramcredentials", 0, 0, "none"],
  [52, "vote", 2, 0, "opaque"],
  [53, "beginquorumepoch", 1, 1, "opaque"],
  [54, "endquorumepoch", 1, 1, "opaque"],
  [55, "describequorum", 2, 0, "opaque"],
  [56, "alterpartition", 3, 0, "opaque"],
  [57, "updatefeatures", 2, 0, "none"],
  [58, "envelope", 0, 0, "opaque"],
  [59, "fetchsnapshot", 1, 0, "opaque"],
  [60, "describecluster", 2, 0, "none"],
  [61, "describeproducers", 0, 0, "named"],
  [62, "brokerregistration", 4, 0, "opaque"],
  [63, "brokerheartbeat", 1, 0, "opaque"],
  [64, "unregisterbroker", 0, 0, "none"],
  [65, "describetransactions", 0, 0, "none"],
  [66, "listtransactions", 2, 0, "none"],
  [67, "allocateproducerids", 0, 0, "opaque"],
  [68, "consumergroupheartbeat", 1, 0, "named"],
  [69, "consumergroupdescribe", 1, 0, "none"],
  [70, "controllerregistration", 0, 0, "opaque"],
  [71, "gettelemetrysubscriptions", 0, 0, "none"],
  [72, "pushtelemetry", 0, 0, "none"],
  [73, "assignreplicastodirs", 0, 0, "opaque"],
  [74, "listconfigresources", 1, 0, "none"],
  [75, "describetopicpartitions", 0, 0, "named"],
  [76, "sharegroupheartbeat", 1, 0, "named"],
  [77, "sharegroupdescribe", 1, 0, "none"],
  [78, "sharefetch", 2, 0, "opaque"],
  [79, "shareacknowledge", 2, 0, "opaque"],
  [80, "addraftvoter", 1, 0, "opaque"],
  [81, "removeraftvoter", 0, 0, "opaque"],
  [82, "updateraftvoter", 0, 0, "opaque"],
  [83, "initializesharegroupstate", 0, 0, "opaque"],
  [84, "readsharegroupstate", 0, 0, "opaque"],
  [85, "writesharegroupstate", 1, 0, "opaque"],
  [86, "deletesharegroupstate", 0, 0, "opaque"],
  [87, "readsharegroupstatesummary", 1, 0, "opaque"],
  [88, "streamsgroupheartbeat", 0, 0, "opaque"],
  [89, "streamsgroupdescribe", 0, 0, "opaque"],
  [90, "describesharegroupoffsets", 1, 0, "opaque"],
  [91, "altersharegroupoffsets", 0, 0, "opaque"],
  [92, "deletesharegroupoffsets", 0, 0, "opaque"],
];

const byKey: ReadonlyMap<number, Api> = new Map(
  rows.map(([key, name, newest, flexibleFrom, topics]) => [
    key,
    { key, name, newest, flexibleFrom, topics },
  ]),
);

/** Keys by the names that code uses. */
export const apiKeys = {
  produce: 0,
  fetch: 1,
  metadata: 3,
  controlledShutdown: 7,
  saslHandshake: 17,
  apiVersions: 18,
} as const;

/** undefined: not an API of the protocol, or newer than this. */
export function apiOf(key: number): Api | undefined {
  return byKey.get(key);
}

/** For flows: Cilium's name, or the number of an API that is not known. */
export function apiName(key: number): string {
  return byKey.get(key)?.name ?? String(key);
}

/** All that are known. */
export function allApis(): readonly Api[] {
  return [...byKey.values()];
}
