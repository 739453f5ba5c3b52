/** hubble-metrics cannot be used. The message names the metric and the option. */
export class MetricsConfigError extends Error {
  readonly code = "metrics_config_invalid";

  constructor(message: string) {
    super(message);
    this.name = "MetricsConfigError";
  }
}
