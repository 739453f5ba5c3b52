// Which destinations pods reach with their own address, by ip-masq-agent's configuration.
import type { Logger } from "@tsilium/runtime";
import type { Health } from "../health.ts";
import { ExemptionKeeper, type ExemptionKeeperOptions } from "./exemption-keeper.ts";

export type ExemptionsOptions = {
  readonly config: {
    readonly "enable-ip-masq-agent": boolean;
    readonly "ip-masq-agent-config-path": string;
  };
  readonly table: ExemptionKeeperOptions["table"];
  readonly health: Health;
  readonly log: Logger;
};

/** The table is right when this returns; it is kept so until disposed of. */
export function startExemptions({ config, table, health, log }: ExemptionsOptions): Disposable {
  if (!config["enable-ip-masq-agent"]) {
    // Programs do not look at it then; nor need anybody else who lists it.
    table.setExempt([]);
    return { [Symbol.dispose]: () => undefined };
  }
  const keeper = new ExemptionKeeper({ file: config["ip-masq-agent-config-path"], table, log });
  keeper.start();
  health.register("ip-masq-agent", () => keeper.health);
  return keeper;
}
