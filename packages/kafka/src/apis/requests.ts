// Requests that name topics, and those whose denial repeats something of them, field by field.
import type { Fields } from "../protocol/schema.ts";

const partitionIndexes: Fields = [
  ["name", "topic"],
  ["partitions", "[]int32"],
];

const configs: Fields = [
  ["name", "string"],
  ["value", "string", { nullable: "0+" }],
];

const transactionTopics: Fields = partitionIndexes;

/** API key -> its request's body. */
export const requestFields: ReadonlyMap<number, Fields> = new Map<number, Fields>([
  [
    0, // Produce
    [
      ["transactionalId", "string", { versions: "3+", nullable: "3+" }],
      ["acks", "int16"],
      ["timeoutMs", "int32"],
      [
        "topics",
        [
          ["name", "topic", { versions: "0-12" }],
          ["topicId", "topicId", { versions: "13+" }],
          [
            "partitions",
            [
              ["index", "int32"],
              ["records", "bytes", { nullable: "0+" }],
            ],
          ],
        ],
      ],
    ],
  ],
  [
    1, // Fetch
    [
      ["clusterId", "string", { versions: "12+", nullable: "12+", tag: 0 }],
      ["replicaId", "int32", { versions: "0-14" }],
      ["maxWaitMs", "int32"],
      ["minBytes", "int32"],
      ["maxBytes", "int32", { versions: "3+" }],
      ["isolationLevel", "int8", { versions: "4+" }],
      ["sessionId", "int32", { versions: "7+" }],
      ["sessionEpoch", "int32", { versions: "7+" }],
      [
        "topics",
        [
          ["name", "topic", { versions: "0-12" }],
          ["topicId", "topicId", { versions: "13+" }],
          [
            "partitions",
            [
              ["index", "int32"],
              ["currentLeaderEpoch", "int32", { versions: "9+" }],
              ["fetchOffset", "int64"],
              ["lastFetchedEpoch", "int32", { versions: "12+" }],
              ["logStartOffset", "int64", { versions: "5+" }],
              ["maxBytes", "int32"],
              ["replicaDirectoryId", "uuid", { versions: "17+", tag: 0 }],
              ["highWatermark", "int64", { versions: "18+", tag: 1 }],
            ],
          ],
        ],
      ],
      [
        "forgotten",
        [
          ["name", "topic", { versions: "7-12" }],
          ["topicId", "topicId", { versions: "13+" }],
          ["partitions", "[]int32"],
        ],
        { versions: "7+" },
      ],
      ["rackId", "string", { versions: "11+" }],
    ],
  ],
  [
    2, // ListOffsets
    [
      ["replicaId", "int32"],
      ["isolationLevel", "int8", { versions: "2+" }],
      [
        "topics",
        [
          ["name", "topic"],
          [
            "partitions",
            [
              ["index", "int32"],
              ["currentLeaderEpoch", "int32", { versions: "4+" }],
              ["timestamp", "int64"],
              ["maxNumOffsets", "int32", { versions: "0" }],
            ],
          ],
        ],
      ],
      ["timeoutMs", "int32", { versions: "10+" }],
    ],
  ],
  [
    3, // Metadata
    [
      [
        "topics",
        [
          ["topicId", "uuid", { versions: "10+" }],
          ["name", "string", { nullable: "10+" }],
        ],
        { nullable: "1+" },
      ],
      ["allowAutoTopicCreation", "bool", { versions: "4+" }],
      ["includeClusterAuthorizedOperations", "bool", { versions: "8-10" }],
      ["includeTopicAuthorizedOperations", "bool", { versions: "8+" }],
    ],
  ],
  [
    8, // OffsetCommit
    [
      ["groupId", "string"],
      ["generationId", "int32", { versions: "1+" }],
      ["memberId", "string", { versions: "1+" }],
      ["groupInstanceId", "string", { versions: "7+", nullable: "7+" }],
      ["retentionTimeMs", "int64", { versions: "2-4" }],
      [
        "topics",
        [
          ["name", "topic", { versions: "0-9" }],
          ["topicId", "topicId", { versions: "10+" }],
          [
            "partitions",
            [
              ["index", "int32"],
              ["committedOffset", "int64"],
              ["committedLeaderEpoch", "int32", { versions: "6+" }],
              ["commitTimestamp", "int64", { versions: "1" }],
              ["committedMetadata", "string", { nullable: "0+" }],
            ],
          ],
        ],
      ],
    ],
  ],
  [
    9, // OffsetFetch
    [
      ["groupId", "string", { versions: "0-7" }],
      ["topics", partitionIndexes, { versions: "0-7", nullable: "2-7" }],
      [
        "groups",
        [
          ["groupId", "string"],
          ["memberId", "string", { versions: "9+", nullable: "9+" }],
          ["memberEpoch", "int32", { versions: "9+" }],
          [
            "topics",
            [
              ["name", "topic", { versions: "8-9" }],
              ["topicId", "topicId", { versions: "10+" }],
              ["partitions", "[]int32"],
            ],
            { nullable: "8+" },
          ],
        ],
        { versions: "8+" },
      ],
      ["requireStable", "bool", { versions: "7+" }],
    ],
  ],
  [
    19, // CreateTopics
    [
      [
        "topics",
        [
          ["name", "topic"],
          ["numPartitions", "int32"],
          ["replicationFactor", "int16"],
          [
            "assignments",
            [
              ["index", "int32"],
              ["brokerIds", "[]int32"],
            ],
          ],
          ["configs", configs],
        ],
      ],
      ["timeoutMs", "int32"],
      ["validateOnly", "bool", { versions: "1+" }],
    ],
  ],
  [
    20, // DeleteTopics
    [
      [
        "topics",
        [
          ["name", "string", { nullable: "6+" }],
          ["topicId", "uuid"],
        ],
        { versions: "6+" },
      ],
      ["topicNames", "[]topic", { versions: "0-5" }],
      ["timeoutMs", "int32"],
    ],
  ],
  [
    21, // DeleteRecords
    [
      [
        "topics",
        [
          ["name", "topic"],
          [
            "partitions",
            [
              ["index", "int32"],
              ["offset", "int64"],
            ],
          ],
        ],
      ],
      ["timeoutMs", "int32"],
    ],
  ],
  [
    23, // OffsetForLeaderEpoch
    [
      ["replicaId", "int32", { versions: "3+" }],
      [
        "topics",
        [
          ["name", "topic"],
          [
            "partitions",
            [
              ["index", "int32"],
              ["currentLeaderEpoch", "int32", { versions: "2+" }],
              ["leaderEpoch", "int32"],
            ],
          ],
        ],
      ],
    ],
  ],
  [
    24, // AddPartitionsToTxn
    [
      [
        "transactions",
        [
          ["transactionalId", "string"],
          ["producerId", "int64"],
          ["producerEpoch", "int16"],
          ["verifyOnly", "bool"],
          ["topics", transactionTopics],
        ],
        { versions: "4+" },
      ],
      ["transactionalId", "string", { versions: "0-3" }],
      ["producerId", "int64", { versions: "0-3" }],
      ["producerEpoch", "int16", { versions: "0-3" }],
      ["topics", transactionTopics, { versions: "0-3" }],
    ],
  ],
  [
    28, // TxnOffsetCommit
    [
      ["transactionalId", "string"],
      ["groupId", "string"],
      ["producerId", "int64"],
      ["producerEpoch", "int16"],
      ["generationId", "int32", { versions: "3+" }],
      ["memberId", "string", { versions: "3+" }],
      ["groupInstanceId", "string", { versions: "3+", nullable: "3+" }],
      [
        "topics",
        [
          ["name", "topic"],
          [
            "partitions",
            [
              ["index", "int32"],
              ["committedOffset", "int64"],
              ["committedLeaderEpoch", "int32", { versions: "2+" }],
              ["committedMetadata", "string", { nullable: "0+" }],
            ],
          ],
        ],
      ],
    ],
  ],
  [
    32, // DescribeConfigs
    [
      [
        "resources",
        [
          ["type", "int8"],
          ["name", "config"],
          ["keys", "[]string", { nullable: "0+" }],
        ],
      ],
      ["includeSynonyms", "bool", { versions: "1+" }],
      ["includeDocumentation", "bool", { versions: "3+" }],
    ],
  ],
  [
    33, // AlterConfigs
    [
      [
        "resources",
        [
          ["type", "int8"],
          ["name", "config"],
          ["configs", configs],
        ],
      ],
      ["validateOnly", "bool"],
    ],
  ],
  [
    34, // AlterReplicaLogDirs
    [
      [
        "dirs",
        [
          ["path", "string"],
          ["topics", partitionIndexes],
        ],
      ],
    ],
  ],
  [35, [["topics", partitionIndexes, { nullable: "0+" }]]], // DescribeLogDirs
  [
    37, // CreatePartitions
    [
      [
        "topics",
        [
          ["name", "topic"],
          ["count", "int32"],
          ["assignments", [["brokerIds", "[]int32"]], { nullable: "0+" }],
        ],
      ],
      ["timeoutMs", "int32"],
      ["validateOnly", "bool"],
    ],
  ],
  [
    43, // ElectLeaders
    [
      ["electionType", "int8", { versions: "1+" }],
      ["topics", partitionIndexes, { nullable: "0+" }],
      ["timeoutMs", "int32"],
    ],
  ],
  [
    44, // IncrementalAlterConfigs
    [
      [
        "resources",
        [
          ["type", "int8"],
          ["name", "config"],
          [
            "configs",
            [
              ["name", "string"],
              ["operation", "int8"],
              ["value", "string", { nullable: "0+" }],
            ],
          ],
        ],
      ],
      ["validateOnly", "bool"],
    ],
  ],
  [
    45, // AlterPartitionReassignments
    [
      ["timeoutMs", "int32"],
      ["allowReplicationFactorChange", "bool", { versions: "1+" }],
      [
        "topics",
        [
          ["name", "topic"],
          [
            "partitions",
            [
              ["index", "int32"],
              ["replicas", "[]int32", { nullable: "0+" }],
            ],
          ],
        ],
      ],
    ],
  ],
  [
    46, // ListPartitionReassignments
    [
      ["timeoutMs", "int32"],
      ["topics", partitionIndexes, { nullable: "0+" }],
    ],
  ],
  [
    47, // OffsetDelete
    [
      ["groupId", "string"],
      [
        "topics",
        [
          ["name", "topic"],
          ["partitions", [["index", "int32"]]],
        ],
      ],
    ],
  ],
  [61, [["topics", partitionIndexes]]], // DescribeProducers
  [
    68, // ConsumerGroupHeartbeat
    [
      ["groupId", "string"],
      ["memberId", "string"],
      ["memberEpoch", "int32"],
      ["instanceId", "string", { nullable: "0+" }],
      ["rackId", "string", { nullable: "0+" }],
      ["rebalanceTimeoutMs", "int32"],
      ["subscribedTopicNames", "[]topic", { nullable: "0+" }],
      ["subscribedTopicRegex", "string", { versions: "1+", nullable: "1+" }],
      ["serverAssignor", "string", { nullable: "0+" }],
      // What the coordinator gave this member: says nothing that it wants, so it is not asked about.
      [
        "owned",
        [
          ["topicId", "uuid"],
          ["partitions", "[]int32"],
        ],
        { nullable: "0+" },
      ],
    ],
  ],
  [
    75, // DescribeTopicPartitions
    [
      ["topics", [["name", "topic"]]],
      ["responsePartitionLimit", "int32"],
      [
        "cursor",
        {
          optional: [
            ["name", "topic"],
            ["index", "int32"],
          ],
        },
      ],
    ],
  ],
  [
    76, // ShareGroupHeartbeat
    [
      ["groupId", "string"],
      ["memberId", "string"],
      ["memberEpoch", "int32"],
      ["rackId", "string", { nullable: "0+" }],
      ["subscribedTopicNames", "[]topic", { nullable: "0+" }],
    ],
  ],
]);

/** Requests without topics whose denial has to repeat something of them. */
export const echoedFields: ReadonlyMap<number, Fields> = new Map<number, Fields>([
  [
    10, // FindCoordinator
    [
      ["key", "string", { versions: "0-3" }],
      ["keyType", "int8", { versions: "1+" }],
      ["keys", "[]string", { versions: "4+" }],
    ],
  ],
  [
    15, // DescribeGroups
    [
      ["groupIds", "[]string"],
      ["includeAuthorizedOperations", "bool", { versions: "3+" }],
    ],
  ],
  [42, [["groupIds", "[]string"]]], // DeleteGroups
  [
    69, // ConsumerGroupDescribe
    [
      ["groupIds", "[]string"],
      ["includeAuthorizedOperations", "bool"],
    ],
  ],
  [
    77, // ShareGroupDescribe
    [
      ["groupIds", "[]string"],
      ["includeAuthorizedOperations", "bool"],
    ],
  ],
]);
