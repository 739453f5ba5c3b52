// Processes of proxies: started, found again, watched, ended.
export { LaunchError, type LaunchErrorCode } from "./error.ts";
export { closedFolders, engineFolder, proxyFolder } from "./folder.ts";
export {
  type Capability,
  lastWords,
  launch,
  type LaunchOptions,
  longestLog,
  trimLog,
} from "./launch.ts";
export { adopt, findStarted, removePidFile, type Wanted } from "./pid-file.ts";
export {
  isRunning,
  type RunningProcess,
  startTimeOf,
  stop,
  type StopOptions,
  watchEnd,
} from "./process.ts";
export { type ProxyUser, proxyUsers } from "./users.ts";
