// The address-to-identity table: one owner, source precedence, an explanation of every answer; and its rows as the
// kernel has them, with the policy prefixes that cover each.
export {
  AddressRows,
  isSameRow,
  type AddressChanges,
  type AddressRow,
  type AddressRowsOptions,
  type AddressWinner,
} from "./address-rows.ts";
export type { CidrSet } from "./cidr-sets.ts";
export { HostAddresses } from "./host-addresses.ts";
export { Ipcache } from "./ipcache.ts";
export { ownerHash, ownerOf } from "./owner.ts";
export * from "./model.ts";
