// One node's Hubble server as relay sees it: a connection, and whether somebody is at its other end. It is asked for its
// status now and then, so that a node that hangs is known as such when the next client asks.
import { Code, ConnectError, connectTo, createClient, type GrpcClient } from "../grpc/index.ts";
import { Observer } from "../gen/observer/observer_pb.ts";
import { hubbleServerName } from "../observer/peers.ts";
import { Bell, Retries } from "./waiting.ts";

export type PeerAddress = {
  /** "node", or "cluster/node". */
  readonly name: string;
  /** "host:port", or "unix:///path". */
  readonly address: string;
  /** In the peer's certificate; undefined: the peer speaks plain text. */
  readonly serverName: string | undefined;
};

/** Certificates of relay towards the nodes; undefined: plain text. */
export type PeerTls = {
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly caFile: readonly string[];
};

/** connecting: not tried yet. */
export type PeerState = "connecting" | "ready" | "failed";

export type PeerOptions = {
  readonly tls: PeerTls | undefined;
  readonly clusterName: string;
  readonly dialTimeoutMs: number;
  /** Longest wait between two attempts. */
  readonly retryTimeoutMs: number;
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  /** Called after each change of `state`. */
  readonly onChange: (peer: Peer) => void;
};

/** An unanswered question may be a busy moment, two in a row are not. */
const mostMissed = 2;

export class Peer implements Disposable {
  readonly about: PeerAddress;
  readonly client: GrpcClient;
  readonly #options: PeerOptions;
  readonly #stopping = new AbortController();
  readonly #bell = new Bell();
  #state: PeerState = "connecting";
  #error = "";
  readonly #waiters = new Set<() => void>();
  #asked: Promise<boolean> | undefined;

  /** @throws Error when the address is none, or when TLS is wanted and the peer has none */
  constructor(about: PeerAddress, options: PeerOptions) {
    this.about = about;
    this.#options = options;
    this.client = connect(about, options);
  }

  get name(): string {
    return this.about.name;
  }

  get isSecure(): boolean {
    return this.#options.tls !== undefined && !this.about.address.startsWith("unix:");
  }

  get state(): PeerState {
    return this.#state;
  }

  /** Why it has failed; "" unless it has. */
  get error(): string {
    return this.#error;
  }

  /** Until it is disposed of. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  start(): void {
    void this.#watch();
  }

  /** A call broke: failed until it answers again, which it is asked at once. */
  suspect(reason: string): void {
    if (this.#state === "ready") this.#set("failed", reason);
    this.#bell.ring();
  }

  /** Whether there is any answer within the time, to tell one that is busy from one that hangs. */
  answers(withinMs: number): Promise<boolean> {
    this.#asked ??= this.#ask(withinMs)
      .then((failure) => failure === undefined)
      .finally(() => (this.#asked = undefined));
    return this.#asked;
  }

  /** Resolves when it is ready, or not to be waited for any more. */
  async whenReady(signal: AbortSignal): Promise<void> {
    while (this.#state !== "ready" && !signal.aborted && !this.signal.aborted)
      await new Promise<void>((resolve) => {
        const done = () => {
          signal.removeEventListener("abort", done);
          this.#waiters.delete(done);
          resolve();
        };
        signal.addEventListener("abort", done);
        this.#waiters.add(done);
      });
  }

  [Symbol.dispose](): void {
    this.#stopping.abort(new ConnectError("the peer is gone", Code.Canceled));
    this.client.close();
    this.#wakeWaiters();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    const { probeIntervalMs, probeTimeoutMs, retryTimeoutMs } = this.#options;
    const retries = new Retries(retryTimeoutMs);
    let missed = 0;
    while (!signal.aborted) {
      const failure = await this.#ask(probeTimeoutMs);
      if (signal.aborted) return;
      if (failure === undefined) {
        missed = 0;
        retries.reset();
        this.#set("ready", "");
        await this.#bell.wait(probeIntervalMs, signal);
        continue;
      }
      const isMissed = failure.code === Code.DeadlineExceeded && this.#state === "ready";
      if (isMissed && ++missed < mostMissed) continue;
      this.#set("failed", failure.rawMessage);
      // Whatever still hangs on the connection ends, and the next attempt makes a new one.
      this.client.close();
      await this.#bell.wait(retries.next(), signal);
    }
  }

  #ask(timeoutMs: number): Promise<ConnectError | undefined> {
    const { signal } = this.#stopping;
    return createClient(Observer, this.client.transport)
      .serverStatus({}, { timeoutMs, signal })
      .then(() => undefined, deadlyError);
  }

  #set(state: PeerState, error: string): void {
    const changed = state !== this.#state || error !== this.#error;
    this.#state = state;
    this.#error = error;
    if (!changed) return;
    this.#options.onChange(this);
    if (state === "ready") this.#wakeWaiters();
  }

  #wakeWaiters(): void {
    for (const wake of this.#waiters) wake();
  }
}

/** undefined: an answer, and be it that it does not want to tell, is a sign of life. */
function deadlyError(error: unknown): ConnectError | undefined {
  const own = ConnectError.from(error);
  const alive = [Code.Unimplemented, Code.PermissionDenied, Code.ResourceExhausted];
  return alive.includes(own.code) ? undefined : own;
}

function connect({ name, address, serverName }: PeerAddress, options: PeerOptions): GrpcClient {
  const { tls, dialTimeoutMs, clusterName } = options;
  const limits = { dialTimeoutMs, pingIntervalMs: 10_000, pingTimeoutMs: 10_000 };
  if (address.startsWith("unix:")) return connectTo(address, limits);
  const target = withPort(address.replace(/^(tls|tcp):\/\//, ""));
  if (tls === undefined) return connectTo(target, limits);
  // Who told us of it must not be able to talk us into plain text.
  if (serverName === undefined)
    throw new Error("the peer offers no TLS, and relay has certificates");
  return connectTo(target, {
    ...limits,
    tls: { ...tls, serverName: serverName || tlsServerName(name, clusterName) },
  });
}

const defaultPort = 4244;

/** The name in a peer's certificate. @param name "node" or "cluster/node" */
function tlsServerName(name: string, clusterName: string): string {
  const slash = name.lastIndexOf("/");
  return hubbleServerName(name.slice(slash + 1), slash < 0 ? clusterName : name.slice(0, slash));
}

/** Cilium's agents leave out the default port, and brackets with it. */
function withPort(address: string): string {
  if (address.startsWith("[")) return address.endsWith("]") ? `${address}:${defaultPort}` : address;
  const colons = address.split(":").length - 1;
  if (colons > 1) return `[${address}]:${defaultPort}`;
  return colons === 1 ? address : `${address}:${defaultPort}`;
}
