// The address-to-identity table: one owner, source precedence, and an explanation of every answer.
export { Ipcache } from "./ipcache.ts";
export * from "./model.ts";
