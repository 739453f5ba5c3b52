// The one way to AWS's client: by a late import, so that who has no use for it does not read its megabytes.
import type { Cloud } from "../model.ts";

export type Ec2Options = {
  /** eu-west-1; absent: the client's own search (environment, files). */
  readonly region?: string;
  /** URL of the API; absent: the region's. */
  readonly endpoint?: string;
  /**
   * A file of AWS's credentials format, profile "default". Absent: the client's own search (environment, files, web
   * identity, the instance's role).
   */
  readonly credentialsFile?: string;
  /** Calls a second over time, and how many at once before that. */
  readonly queriesPerSecond: number;
  readonly burst: number;
  /** How often a call is made at most when the cloud is busy or ill. Default 5. */
  readonly maxAttempts?: number;
  /** Rows of one page of an answer, at most; absent: as many as AWS gives. */
  readonly pageSize?: number;
  /** Asked before each call that changes something; what it throws is what the call throws. */
  readonly mayWrite?: () => void;
  /** Told of each call: its name, "ok" or a CloudErrorCode, and how long it took with its retries, milliseconds. */
  readonly onCall?: (call: string, outcome: string, durationMs: number) => void;
};

/** AWS EC2. Nothing is asked of it yet. */
export async function connectEc2(options: Ec2Options): Promise<Cloud> {
  const { Ec2Cloud } = await import("./ec2-cloud.ts");
  return new Ec2Cloud(options);
}
