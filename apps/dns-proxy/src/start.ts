// The parts of the DNS proxy, put together in the order in which they may be trusted: what needs root, then no root any
// more, then the rules that were kept, then packets, then the agent.
import { type DnsProxyConfig, rcode } from "@tsilium/dns";
import { ControlServer, type ReceivedToProxy } from "@tsilium/proxy/control/index.ts";
import { listenerRows } from "@tsilium/proxy/listener-rows.ts";
import type { ProxyStatus } from "@tsilium/proxy/model.ts";
import { dropPrivileges, StateFolder } from "@tsilium/proxy/privileges/index.ts";
import type { Logger } from "@tsilium/runtime";
import { AnswerGate } from "./answer-gate.ts";
import { Clock } from "./clock.ts";
import { newCounters } from "./counters.ts";
import { Listeners } from "./listeners.ts";
import { Reporter } from "./reporter.ts";
import { TcpProxy } from "./tcp/proxy.ts";
import { Turns } from "./turns.ts";
import { UdpProxy } from "./udp/proxy.ts";

export type DnsProxy = AsyncDisposable & {
  /** Resolves when the agent says so, with why. */
  readonly stopped: Promise<string>;
};

/** Starts it: when this resolves, the rules kept from before are in force. @throws Error when it must not or cannot run */
export async function startDnsProxy(
  config: DnsProxyConfig,
  { version, log }: { readonly version: string; readonly log: Logger },
): Promise<DnsProxy> {
  await using parts = new AsyncDisposableStack();
  const state = parts.use(StateFolder.open(config.stateFolder, config.user));
  const counters = newCounters();
  const clock = new Clock();
  let control: ControlServer | undefined;
  const reporter = new Reporter(() => control, clock);
  const gate = parts.use(
    new AnswerGate({
      control: () => control,
      maxDelayMs: config.maxResponseDelayMs,
      counters,
    }),
  );
  const { promise: stopped, resolve: stop } = Promise.withResolvers<string>();
  // The socket is made as root; by the time the event loop hears an agent on it, all that follows has happened.
  let receive: (message: ReceivedToProxy) => void = () => {};
  control = parts.use(
    await ControlServer.listen({
      path: config.controlSocket,
      hello: () => ({
        version,
        pid: process.pid,
        listeners: listeners.all.map(({ port }) => port),
      }),
      receive: (message) => receive(message),
      onAgent: (connected) => {
        gate.forgetAgent();
        log.info({ connected }, "agent");
      },
      onError: (error) => log.warn({ error }, "control connection"),
      limits: {
        maxNames: config.limits.maxQueuedNames,
        maxRecords: config.limits.maxQueuedRecords,
      },
    }),
  );
  if (config.user) dropPrivileges(config.user);
  const server = control;
  const shared = {
    limits: config.limits,
    rejectCode: config.rejectCode === "refused" ? rcode.refused : rcode.nameError,
    counters,
    clock,
    reporter,
    gate,
    turns: new Turns(config.limits.maxQueriesPerSecondPerClient),
    afterTurn: () => server.flushNames(),
  };
  const udp = parts.use(new UdpProxy({ ...shared, listeners: () => listeners }));
  const tcp = parts.use(
    new TcpProxy({ ...shared, decideFor: (port) => listeners.decideFor(port) }),
  );
  const sockets = {
    open: (port: number) => {
      udp.open(port);
      tcp.open(port);
    },
    close: (port: number) => {
      udp.close(port);
      tcp.close(port);
    },
  };
  const listeners: Listeners = new Listeners(state, sockets, (error) =>
    log.error(
      { error },
      "the rules cannot be kept: after a restart nothing is served until the agent comes",
    ),
  );
  for (const problem of listeners.restore()) log.error({ problem }, "rules of before");
  const status = (): ProxyStatus => ({
    engine: `tsilium-dns ${version}`,
    pid: process.pid,
    listeners: listenerRows(listeners.all.map(({ rules }) => rules)),
    connections: tcp.connections,
    requests: {
      forwarded: counters.forwarded,
      denied: counters.denied,
      errors: counters.errors,
    },
    counters: {
      ...counters,
      pendingQueries: udp.pending,
      upstreamSockets: udp.upstreamSockets,
      ...server.outbox.totals,
    },
  });
  receive = (message) => {
    switch (message.kind) {
      case "apply":
        return server.acknowledge(message.sequence, listeners.apply(message));
      case "move":
        tcp.move(message.connections);
        return server.acknowledge(message.sequence);
      case "release":
        return gate.release(message.ids);
      case "forget-names":
        return gate.forgetNames();
      case "status":
        return server.sendStatus(status());
      case "stop":
        return stop("the agent says so");
    }
  };
  log.info({ listeners: listeners.all.length, pid: process.pid }, "DNS proxy serves");
  const running = parts.move();
  return { stopped, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
