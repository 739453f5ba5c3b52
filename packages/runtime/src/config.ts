// @tsilium/runtime/config.ts: configuration alone, for those who only judge settings and start nothing.
export {
  ConfigError,
  type ConfigSource,
  defaultText,
  describeKeys,
  type Keys,
  loadKeys,
  type LoadedKeys,
  type Override,
  type OverrideSource,
  type ValuesOf,
} from "./config/load.ts";
export { parseListenAddress } from "./listen-address.ts";
export { suggest } from "./config/suggest.ts";
export {
  choice,
  cidr,
  cidrs,
  duration,
  durationText,
  flag,
  flagAs,
  type Key,
  numberOf,
  portRange,
  text,
  wholeNumber,
  words,
} from "./config/values.ts";
