// A pod as its streams see it.
import type { ProcessIdentity } from "../../processes/identity.ts";

/** Why a stream does not begin; `status` is HTTP's, and the message is for the user. */
export class StreamRefusal extends Error {
  readonly code = "stream_refused";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "StreamRefusal";
    this.status = status;
  }
}

export type ContainerLog = {
  readonly path: string;
  /** Resolves when no more will be written to it. */
  readonly ended: Promise<unknown>;
};

export type PodHandle = {
  readonly name: string;
  /** Where its commands are accounted for; undefined without a sandbox. */
  readonly cgroup: string | undefined;
  /** Its network namespace; undefined without a sandbox. */
  readonly netns: string | undefined;
  /** The running container's first process; undefined when it does not run. */
  init(container: string): ProcessIdentity | undefined;
  /** The log of a container's run: the last one, or the one before. @throws StreamRefusal when there is none */
  log(container: string, previous: boolean): ContainerLog;
};
