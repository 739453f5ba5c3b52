// Requests as other implementations of the protocol encode them (@platformatic/kafka 2.12.1; kafkajs 2.2.4 for versions
// that it no longer has), about the topics orders and audit, by client id "me" and with correlation id 77 (kafkajs: 5).
// And the denial of each, which those implementations read as the error that it is meant to be.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export type Recorded = {
  readonly by: string;
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly request: Buffer;
  /** Names, or "id" and the last digit of an id, with commas; or a kind. */
  readonly topics: string;
  /** undefined: the connection is closed. */
  readonly denial: Buffer | undefined;
};

type Row = readonly [string, number, number, string, string, string | null];

/** One for each version of each API that they encode. */
export function recordedRequests(): Recorded[] {
  const file = join(import.meta.dirname, "recorded.json");
  const rows = JSON.parse(readFileSync(file, "utf8")) as readonly Row[];
  return rows.map(([by, apiKey, apiVersion, request, topics, denial]) => ({
    by,
    apiKey,
    apiVersion,
    request: Buffer.from(request, "hex"),
    topics,
    denial: denial === null ? undefined : Buffer.from(denial, "hex"),
  }));
}
