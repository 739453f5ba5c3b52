// One way for an HTTP request to get to a server, as the bench drives it.
export type HttpVariant = {
  readonly name: string;
  /** Path of a network namespace. */
  readonly clientNetns: string;
  readonly url: string;
  /** Processes that look at requests on the way. */
  readonly enginePids: () => Promise<readonly number[]>;
};
