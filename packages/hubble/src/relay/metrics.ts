// Prometheus metrics of relay. Cilium's name where Cilium's relay has one.
import { ProcessMetrics } from "@tsilium/runtime";
import { Counter } from "prom-client";
import type { PeerPool } from "./pool.ts";

export class RelayMetrics extends ProcessMetrics {
  readonly peerErrors = new Counter({
    name: "hubble_relay_peer_errors_total",
    help: "streams of peers that failed, by gRPC code",
    labelNames: ["reason"],
    registers: [this.registry],
  });
  /** Messages sent to clients. */
  sent = 0;
  /** Clients' streams of flows. */
  streams = 0;

  constructor(pool: PeerPool) {
    super();
    this.gauge(
      "hubble_relay_pool_peer_connection_status",
      "peers by the state of their connection",
      ["status"],
      () => [
        { labels: { status: "CONNECTING" }, value: pool.count("connecting") },
        { labels: { status: "READY" }, value: pool.count("ready") },
        { labels: { status: "TRANSIENT_FAILURE" }, value: pool.count("failed") },
        { labels: { status: "NIL_CONNECTION" }, value: pool.unusable.length },
        // gRPC's other states: connections are always wanted, and go with their peers.
        { labels: { status: "IDLE" }, value: 0 },
        { labels: { status: "SHUTDOWN" }, value: 0 },
      ],
    );
    this.gauge("hubble_relay_peer_service_connected", "1 while peers are followed", [], () => [
      { value: pool.serviceConnected ? 1 : 0 },
    ]);
    this.counterOf("hubble_relay_flows_total", "flows and losses sent to clients", [], () => [
      { value: this.sent },
    ]);
    this.gauge("hubble_relay_streams", "clients' streams of flows", [], () => [
      { value: this.streams },
    ]);
  }
}
