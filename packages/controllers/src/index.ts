// @tsilium/controllers: what keeps a small cluster going, over the API alone.
export { Controllers, type ControllerOptions } from "./controllers.ts";
export type { Log } from "./context.ts";
export { nodeDefaults, type NodeOptions } from "./node.ts";
