// Ends sockets whose backend is gone: a UDP socket would go on sending to nobody, for as long as it lives. Only those that
// were given the backend in a service's place: who connected to its address meant it.
import type { Address } from "@tsilium/net";
import { NetlinkError, SockDiag, type InetSocket, type SocketState } from "@tsilium/netlink";
import type { Logger } from "@tsilium/runtime";
import { isSyscallError } from "@tsilium/syscall";

export type GoneBackend = {
  readonly address: Address;
  readonly port: number;
  readonly protocol: number;
};

export type SocketTerminatorOptions = {
  /** Whether a socket (SO_COOKIE) was given the backend in place of a frontend. */
  readonly isBalanced: (cookie: bigint, address: Address, port: number) => boolean;
  /** Paths of the pods' network namespaces; undefined: only the node's own is looked at. */
  readonly podNamespaces: (() => readonly string[]) | undefined;
  /** TCP too. */
  readonly allProtocols: boolean;
  readonly log: Logger;
};

const udp = 17;
const tcp = 6;

/** Of sockets that have a far end and may still send to it. */
const states: Readonly<Record<number, readonly SocketState[]>> = {
  [udp]: ["established"],
  [tcp]: ["established", "syn-sent", "fin-wait-1", "fin-wait-2", "close-wait", "last-ack"],
};

export class SocketTerminator implements Disposable {
  readonly #options: SocketTerminatorOptions;
  readonly #protocols: readonly number[];
  #gone = new Map<string, GoneBackend>();
  #running: Promise<void> | undefined;
  #stopped = false;
  #terminated = 0;
  #failed = 0;

  constructor(options: SocketTerminatorOptions) {
    this.#options = options;
    this.#protocols = options.allProtocols ? [udp, tcp] : [udp];
  }

  /** These serve nobody any more. Sockets are looked for soon, in the background. */
  backendsGone(backends: readonly GoneBackend[]): void {
    for (const backend of backends)
      if (this.#protocols.includes(backend.protocol)) this.#gone.set(keyOf(backend), backend);
    if (this.#gone.size > 0 && !this.#stopped) this.#running ??= this.#run();
  }

  /** Resolves when all that was asked for is done. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Sockets ended since the start, and namespaces that could not be looked at. */
  counts(): { readonly terminated: number; readonly failed: number } {
    return { terminated: this.#terminated, failed: this.#failed };
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
  }

  async #run(): Promise<void> {
    // What else goes in this turn is looked for at once.
    await nextTurn();
    while (this.#gone.size > 0 && !this.#stopped) {
      const gone = this.#gone;
      this.#gone = new Map();
      for (const netns of [undefined, ...(this.#options.podNamespaces?.() ?? [])]) {
        if (this.#stopped) break;
        this.#searchNamespace(netns, gone);
        await nextTurn();
      }
    }
    this.#running = undefined;
  }

  /** @param netns undefined: the node's own */
  #searchNamespace(netns: string | undefined, gone: ReadonlyMap<string, GoneBackend>): void {
    try {
      using diag = SockDiag.open(netns === undefined ? {} : { netns });
      for (const socket of this.#socketsTo(diag, gone))
        if (diag.destroy(socket)) this.#terminated++;
    } catch (error) {
      // Namespaces go with their pods.
      if (isSyscallError(error, "ENOENT", "EINVAL")) return;
      if (!(error instanceof NetlinkError) && !isSyscallError(error)) throw error;
      this.#failed++;
      this.#options.log.warn({ netns, error }, "sockets of backends that are gone stay open");
    }
  }

  *#socketsTo(diag: SockDiag, gone: ReadonlyMap<string, GoneBackend>): Generator<InetSocket, void> {
    const backends = [...gone.values()];
    for (const protocol of this.#protocols) {
      if (!backends.some((backend) => backend.protocol === protocol)) continue;
      // IPv6 sockets may carry IPv4.
      for (const family of [4, 6] as const)
        for (const socket of diag.list({ family, protocol, states: states[protocol] ?? [] }))
          if (this.#isTo(socket, gone)) yield socket;
    }
  }

  #isTo(socket: InetSocket, gone: ReadonlyMap<string, GoneBackend>): boolean {
    const { destination: address, destinationPort: port, protocol, cookie } = socket;
    const backend = gone.get(keyOf({ address, port, protocol }));
    return backend !== undefined && this.#options.isBalanced(cookie, backend.address, port);
  }
}

/** The same for an IPv4 address and its IPv4-mapped form. */
function keyOf({ address, port, protocol }: GoneBackend): string {
  return `${protocol} ${address.toString().replace(/^::ffff:(?=[0-9.]+$)/, "")} ${port}`;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
