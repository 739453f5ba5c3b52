// @tsilium/controllers: what keeps a small cluster going, over the API alone.
export { Controllers, type ControllerOptions, type Log } from "./controllers.ts";
