// Which specification versions are spoken, and what each allows.
import { CniError, cniCode } from "./error.ts";

/** Oldest first. 0.3.0 and older print results in another shape and no maintained runtime sends them. */
export const supportedVersions = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;
export type CniVersion = (typeof supportedVersions)[number];
export const newestVersion: CniVersion = "1.1.0";

/** The version that introduced a command; what is not named here always existed. */
const introducedIn: Readonly<Record<string, CniVersion>> = {
  CHECK: "0.4.0",
  GC: "1.1.0",
  STATUS: "1.1.0",
};

export function isSupportedVersion(text: unknown): text is CniVersion {
  return (supportedVersions as readonly unknown[]).includes(text);
}

/** True when `version` is `other` or newer. */
export function isAtLeast(version: CniVersion, other: CniVersion): boolean {
  return supportedVersions.indexOf(version) >= supportedVersions.indexOf(other);
}

/** @throws CniError 1 when the configuration's version has no such command. */
export function requireCommand(command: string, version: CniVersion): void {
  const since = introducedIn[command];
  if (since === undefined || isAtLeast(version, since)) return;
  throw new CniError(
    cniCode.incompatibleVersion,
    `cniVersion ${version} has no command ${command}`,
    {
      details: `${command} exists since ${since}`,
    },
  );
}
