// Pure values of networking: addresses, prefixes, MACs, labels, and packets in both directions.
export { Address, bitsOf, type Family } from "./address.ts";
export { AddressError, type AddressErrorCode } from "./errors.ts";
export { formatLabel, parseLabel, Labels, type Label } from "./labels.ts";
export { Mac } from "./mac.ts";
export { Prefix, type PrefixOptions } from "./prefix.ts";
