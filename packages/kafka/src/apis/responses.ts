// Responses, as far as a denial writes them and what is read of answers. Where a denial leaves a list empty, what would
// be in it is not described. Tagged fields are never written.
import type { Field, Fields } from "../protocol/schema.ts";

const errorCode: Field = ["errorCode", "int16"];
const errorMessage: Field = ["errorMessage", "string", { nullable: "0+" }];
const throttle: Field = ["throttleTimeMs", "int32"];
const throttleFrom = (version: number): Field => [
  "throttleTimeMs",
  "int32",
  { versions: `${version}+` },
];
const nothing: Fields = [];

const partitionErrors: Fields = [["index", "int32"], errorCode];

/** Topics by name up to a version, by id from the next. */
function topicUntil(lastNamed: number): Fields {
  return [
    ["name", "topic", { versions: `0-${lastNamed}` }],
    ["topicId", "topicId", { versions: `${lastNamed + 1}+` }],
  ];
}

const configResult: Fields = [errorCode, errorMessage, ["type", "int8"], ["name", "string"]];

const memberHeartbeat: Fields = [
  throttle,
  errorCode,
  errorMessage,
  ["memberId", "string", { nullable: "0+" }],
  ["memberEpoch", "int32"],
  ["heartbeatIntervalMs", "int32"],
  ["assignment", { optional: nothing }],
];

const describedGroup: Fields = [
  errorCode,
  errorMessage,
  ["groupId", "string"],
  ["state", "string"],
  ["groupEpoch", "int32"],
  ["assignmentEpoch", "int32"],
  ["assignorName", "string"],
  ["members", nothing],
  ["authorizedOperations", "int32", { default: -(2 ** 31) }],
];

const offsetFetchPartition: Fields = [
  ["index", "int32"],
  ["committedOffset", "int64", { default: -1 }],
  ["committedLeaderEpoch", "int32", { versions: "5+", default: -1 }],
  ["metadata", "string", { nullable: "0+" }],
  errorCode,
];

/** API key -> its response's body. An API that is not here is denied by closing the connection. */
export const responseFields: ReadonlyMap<number, Fields> = new Map<number, Fields>([
  [
    0, // Produce
    [
      [
        "topics",
        [
          ...topicUntil(12),
          [
            "partitions",
            [
              ["index", "int32"],
              errorCode,
              ["baseOffset", "int64", { default: -1 }],
              ["logAppendTimeMs", "int64", { versions: "2+", default: -1 }],
              ["logStartOffset", "int64", { versions: "5+", default: -1 }],
              [
                "recordErrors",
                [
                  ["batchIndex", "int32"],
                  ["message", "string", { nullable: "0+" }],
                ],
                { versions: "8+" },
              ],
              ["errorMessage", "string", { versions: "8+", nullable: "8+" }],
            ],
          ],
        ],
      ],
      throttleFrom(1),
    ],
  ],
  [
    1, // Fetch
    [
      throttleFrom(1),
      ["errorCode", "int16", { versions: "7+" }],
      ["sessionId", "int32", { versions: "7+" }],
      [
        "topics",
        [
          ...topicUntil(12),
          [
            "partitions",
            [
              ["index", "int32"],
              errorCode,
              ["highWatermark", "int64", { default: -1 }],
              ["lastStableOffset", "int64", { versions: "4+", default: -1 }],
              ["logStartOffset", "int64", { versions: "5+", default: -1 }],
              [
                "abortedTransactions",
                [
                  ["producerId", "int64"],
                  ["firstOffset", "int64"],
                ],
                { versions: "4+", nullable: "4+" },
              ],
              ["preferredReadReplica", "int32", { versions: "11+", default: -1 }],
              ["records", "bytes", { nullable: "0+" }],
            ],
          ],
        ],
      ],
    ],
  ],
  [
    2, // ListOffsets
    [
      throttleFrom(2),
      [
        "topics",
        [
          ["name", "topic"],
          [
            "partitions",
            [
              ["index", "int32"],
              errorCode,
              ["oldStyleOffsets", "[]int64", { versions: "0" }],
              ["timestamp", "int64", { versions: "1+", default: -1 }],
              ["offset", "int64", { versions: "1+", default: -1 }],
              ["leaderEpoch", "int32", { versions: "4+", default: -1 }],
            ],
          ],
        ],
      ],
    ],
  ],
  [
    3, // Metadata
    [
      throttleFrom(3),
      [
        "brokers",
        [
          ["nodeId", "int32"],
          ["host", "string"],
          ["port", "int32"],
          ["rack", "string", { versions: "1+", nullable: "1+" }],
        ],
      ],
      ["clusterId", "string", { versions: "2+", nullable: "2+" }],
      ["controllerId", "int32", { versions: "1+", default: -1 }],
      [
        "topics",
        [
          errorCode,
          ["name", "string", { nullable: "12+" }],
          ["topicId", "uuid", { versions: "10+" }],
          ["isInternal", "bool", { versions: "1+" }],
          [
            "partitions",
            [
              errorCode,
              ["index", "int32"],
              ["leaderId", "int32"],
              ["leaderEpoch", "int32", { versions: "7+", default: -1 }],
              ["replicaNodes", "[]int32"],
              ["isrNodes", "[]int32"],
              ["offlineReplicas", "[]int32", { versions: "5+" }],
            ],
          ],
          ["authorizedOperations", "int32", { versions: "8+", default: -(2 ** 31) }],
        ],
      ],
      ["clusterAuthorizedOperations", "int32", { versions: "8-10", default: -(2 ** 31) }],
      ["errorCode", "int16", { versions: "13+" }],
    ],
  ],
  [
    8, // OffsetCommit
    [throttleFrom(3), ["topics", [...topicUntil(9), ["partitions", partitionErrors]]]],
  ],
  [
    9, // OffsetFetch
    [
      throttleFrom(3),
      [
        "topics",
        [
          ["name", "topic"],
          ["partitions", offsetFetchPartition],
        ],
        { versions: "0-7" },
      ],
      ["errorCode", "int16", { versions: "2-7" }],
      [
        "groups",
        [
          ["groupId", "string"],
          ["topics", [...topicUntil(9), ["partitions", offsetFetchPartition]]],
          errorCode,
        ],
        { versions: "8+" },
      ],
    ],
  ],
  [
    10, // FindCoordinator
    [
      throttleFrom(1),
      ["errorCode", "int16", { versions: "0-3" }],
      ["errorMessage", "string", { versions: "1-3", nullable: "1-3" }],
      ["nodeId", "int32", { versions: "0-3", default: -1 }],
      ["host", "string", { versions: "0-3" }],
      ["port", "int32", { versions: "0-3", default: -1 }],
      [
        "coordinators",
        [
          ["key", "string"],
          ["nodeId", "int32", { default: -1 }],
          ["host", "string"],
          ["port", "int32", { default: -1 }],
          errorCode,
          errorMessage,
        ],
        { versions: "4+" },
      ],
    ],
  ],
  [
    11, // JoinGroup
    [
      throttleFrom(2),
      errorCode,
      ["generationId", "int32", { default: -1 }],
      ["protocolType", "string", { versions: "7+", nullable: "7+" }],
      ["protocolName", "string", { nullable: "7+" }],
      ["leader", "string"],
      ["skipAssignment", "bool", { versions: "9+" }],
      ["memberId", "string"],
      ["members", nothing],
    ],
  ],
  [12, [throttleFrom(1), errorCode]], // Heartbeat
  [13, [throttleFrom(1), errorCode, ["members", nothing, { versions: "3+" }]]], // LeaveGroup
  [
    14, // SyncGroup
    [
      throttleFrom(1),
      errorCode,
      ["protocolType", "string", { versions: "5+", nullable: "5+" }],
      ["protocolName", "string", { versions: "5+", nullable: "5+" }],
      ["assignment", "bytes"],
    ],
  ],
  [
    15, // DescribeGroups
    [
      throttleFrom(1),
      [
        "groups",
        [
          errorCode,
          ["errorMessage", "string", { versions: "6+", nullable: "6+" }],
          ["groupId", "string"],
          ["state", "string"],
          ["protocolType", "string"],
          ["protocolData", "string"],
          ["members", nothing],
          ["authorizedOperations", "int32", { versions: "3+", default: -(2 ** 31) }],
        ],
      ],
    ],
  ],
  [16, [throttleFrom(1), errorCode, ["groups", nothing]]], // ListGroups
  [17, [errorCode, ["mechanisms", "[]string"]]], // SaslHandshake
  [18, [errorCode, ["apiKeys", nothing], throttleFrom(1)]], // ApiVersions
  [
    19, // CreateTopics
    [
      throttleFrom(2),
      [
        "topics",
        [
          ["name", "topic"],
          ["topicId", "uuid", { versions: "7+" }],
          errorCode,
          ["errorMessage", "string", { versions: "1+", nullable: "0+" }],
          ["numPartitions", "int32", { versions: "5+", default: -1 }],
          ["replicationFactor", "int16", { versions: "5+", default: -1 }],
          ["configs", nothing, { versions: "5+", nullable: "5+" }],
        ],
      ],
    ],
  ],
  [
    20, // DeleteTopics
    [
      throttleFrom(1),
      [
        "topics",
        [
          ["name", "string", { nullable: "6+" }],
          ["topicId", "uuid", { versions: "6+" }],
          errorCode,
          ["errorMessage", "string", { versions: "5+", nullable: "5+" }],
        ],
      ],
    ],
  ],
  [
    21, // DeleteRecords
    [
      throttle,
      [
        "topics",
        [
          ["name", "topic"],
          [
            "partitions",
            [["index", "int32"], ["lowWatermark", "int64", { default: -1 }], errorCode],
          ],
        ],
      ],
    ],
  ],
  [
    22, // InitProducerId
    [
      throttle,
      errorCode,
      ["producerId", "int64", { default: -1 }],
      ["producerEpoch", "int16", { default: -1 }],
      ["ongoingProducerId", "int64", { versions: "6+", default: -1 }],
      ["ongoingProducerEpoch", "int16", { versions: "6+", default: -1 }],
    ],
  ],
  [
    23, // OffsetForLeaderEpoch
    [
      throttleFrom(2),
      [
        "topics",
        [
          ["name", "topic"],
          [
            "partitions",
            [
              errorCode,
              ["index", "int32"],
              ["leaderEpoch", "int32", { versions: "1+", default: -1 }],
              ["endOffset", "int64", { default: -1 }],
            ],
          ],
        ],
      ],
    ],
  ],
  [
    24, // AddPartitionsToTxn
    [
      throttle,
      ["errorCode", "int16", { versions: "4+" }],
      [
        "transactions",
        [
          ["transactionalId", "string"],
          [
            "topics",
            [
              ["name", "topic"],
              ["partitions", partitionErrors],
            ],
          ],
        ],
        { versions: "4+" },
      ],
      [
        "topics",
        [
          ["name", "topic"],
          ["partitions", partitionErrors],
        ],
        { versions: "0-3" },
      ],
    ],
  ],
  [25, [throttle, errorCode]], // AddOffsetsToTxn
  [
    26, // EndTxn
    [
      throttle,
      errorCode,
      ["producerId", "int64", { versions: "5+", default: -1 }],
      ["producerEpoch", "int16", { versions: "5+", default: -1 }],
    ],
  ],
  [
    28, // TxnOffsetCommit
    [
      throttle,
      [
        "topics",
        [
          ["name", "topic"],
          ["partitions", partitionErrors],
        ],
      ],
    ],
  ],
  [29, [throttle, errorCode, errorMessage, ["acls", nothing]]], // DescribeAcls
  [32, [throttle, ["resources", [...configResult, ["configs", nothing]]]]], // DescribeConfigs
  [33, [throttle, ["resources", configResult]]], // AlterConfigs
  [
    34, // AlterReplicaLogDirs
    [
      throttle,
      [
        "topics",
        [
          ["name", "topic"],
          ["partitions", partitionErrors],
        ],
      ],
    ],
  ],
  [
    35, // DescribeLogDirs
    [
      throttle,
      ["errorCode", "int16", { versions: "3+" }],
      [
        "results",
        [
          errorCode,
          ["logDir", "string"],
          ["topics", nothing],
          ["totalBytes", "int64", { versions: "4+", default: -1 }],
          ["usableBytes", "int64", { versions: "4+", default: -1 }],
          ["isCordoned", "bool", { versions: "5+" }],
        ],
      ],
    ],
  ],
  [
    36, // SaslAuthenticate
    [
      errorCode,
      errorMessage,
      ["authBytes", "bytes"],
      ["sessionLifetimeMs", "int64", { versions: "1+" }],
    ],
  ],
  [37, [throttle, ["topics", [["name", "topic"], errorCode, errorMessage]]]], // CreatePartitions
  [39, [errorCode, ["expiryTimestampMs", "int64"], throttle]], // RenewDelegationToken
  [40, [errorCode, ["expiryTimestampMs", "int64"], throttle]], // ExpireDelegationToken
  [41, [errorCode, ["tokens", nothing], throttle]], // DescribeDelegationToken
  [42, [throttle, ["groups", [["groupId", "string"], errorCode]]]], // DeleteGroups
  [
    43, // ElectLeaders
    [
      throttle,
      ["errorCode", "int16", { versions: "1+" }],
      [
        "topics",
        [
          ["name", "topic"],
          ["partitions", [["index", "int32"], errorCode, errorMessage]],
        ],
      ],
    ],
  ],
  [44, [throttle, ["resources", configResult]]], // IncrementalAlterConfigs
  [
    45, // AlterPartitionReassignments
    [
      throttle,
      ["allowReplicationFactorChange", "bool", { versions: "1+" }],
      errorCode,
      errorMessage,
      [
        "topics",
        [
          ["name", "topic"],
          ["partitions", [["index", "int32"], errorCode, errorMessage]],
        ],
      ],
    ],
  ],
  [46, [throttle, errorCode, errorMessage, ["topics", nothing]]], // ListPartitionReassignments
  [
    47, // OffsetDelete
    [
      errorCode,
      throttle,
      [
        "topics",
        [
          ["name", "topic"],
          ["partitions", partitionErrors],
        ],
      ],
    ],
  ],
  [48, [throttle, errorCode, errorMessage, ["entries", nothing, { nullable: "0+" }]]], // DescribeClientQuotas
  [50, [throttle, errorCode, errorMessage, ["results", nothing]]], // DescribeUserScramCredentials
  [57, [throttle, errorCode, errorMessage, ["results", nothing, { versions: "0-1" }]]], // UpdateFeatures
  [
    60, // DescribeCluster
    [
      throttle,
      errorCode,
      errorMessage,
      ["endpointType", "int8", { versions: "1+", default: 1 }],
      ["clusterId", "string"],
      ["controllerId", "int32", { default: -1 }],
      ["brokers", nothing],
      ["authorizedOperations", "int32", { default: -(2 ** 31) }],
    ],
  ],
  [
    61, // DescribeProducers
    [
      throttle,
      [
        "topics",
        [
          ["name", "topic"],
          [
            "partitions",
            [["index", "int32"], errorCode, errorMessage, ["activeProducers", nothing]],
          ],
        ],
      ],
    ],
  ],
  [64, [throttle, errorCode, errorMessage]], // UnregisterBroker
  [66, [throttle, errorCode, ["unknownStateFilters", "[]string"], ["states", nothing]]], // ListTransactions
  [68, memberHeartbeat], // ConsumerGroupHeartbeat
  [69, [throttle, ["groups", describedGroup]]], // ConsumerGroupDescribe
  [
    71, // GetTelemetrySubscriptions
    [
      throttle,
      errorCode,
      ["clientInstanceId", "uuid"],
      ["subscriptionId", "int32"],
      ["acceptedCompressionTypes", "[]int8"],
      ["pushIntervalMs", "int32"],
      ["telemetryMaxBytes", "int32"],
      ["deltaTemporality", "bool"],
      ["requestedMetrics", "[]string"],
    ],
  ],
  [72, [throttle, errorCode]], // PushTelemetry
  [74, [throttle, errorCode, ["resources", nothing]]], // ListConfigResources
  [
    75, // DescribeTopicPartitions
    [
      throttle,
      [
        "topics",
        [
          errorCode,
          ["name", "string", { nullable: "0+" }],
          ["topicId", "uuid"],
          ["isInternal", "bool"],
          ["partitions", nothing],
          ["authorizedOperations", "int32", { default: -(2 ** 31) }],
        ],
      ],
      ["nextCursor", { optional: nothing }],
    ],
  ],
  [76, memberHeartbeat], // ShareGroupHeartbeat
  [77, [throttle, ["groups", describedGroup]]], // ShareGroupDescribe
]);
