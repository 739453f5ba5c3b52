// What `tsilium lab up` and the daemon it starts say to each other: options by the command line, progress by
// Node's message channel.
import type { Settings } from "./cluster/settings.ts";

export type LabOptions = {
  readonly name: string;
  readonly nodes: number;
  readonly settings: Settings;
  /** Ready means also that cluster DNS answers. */
  readonly wait: boolean;
};

export type UpMessage =
  | { readonly kind: "progress"; readonly text: string }
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly message: string; readonly hint?: string };

export function parseLabOptions(text: string | undefined): LabOptions {
  return JSON.parse(text ?? "") as LabOptions;
}

/** Tells `up`; nothing when it has gone. Resolves when the message is on its way. */
export function tell(message: UpMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected && process.send) process.send(message, () => resolve());
    else resolve();
  });
}
