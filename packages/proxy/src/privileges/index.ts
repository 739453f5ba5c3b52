// @tsilium/proxy/privileges/index.ts: how a proxy that parses what strangers send gives up being root.
export { dropPrivileges, PrivilegeError, type PrivilegeOptions } from "./drop.ts";
export { StateFolder } from "./state-folder.ts";
