import type { Manifest } from "../model.ts";
import type { PodDescription } from "../manifests/pods.ts";

export type LabOptions = {
  readonly manifests?: readonly Manifest[];
  /** `{ "shop/frontend": { labels: { app: "frontend" } } }` */
  readonly pods?: Readonly<Record<string, PodDescription>>;
  /** Where globs start; the process's folder unless given. */
  readonly folder?: string;
  /** Keys of the agent's configuration. */
  readonly settings?: Readonly<Record<string, string>>;
  /** How many nodes; pods that name none are spread over them. */
  readonly nodes?: number;
  /** The lab's name. */
  readonly name?: string;
  /** A denied attempt takes this long. */
  readonly timeoutMs?: number;
  /** Path of the `tsilium` executable. */
  readonly tsilium?: string;
};
