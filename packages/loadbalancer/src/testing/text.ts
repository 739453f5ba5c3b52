// Decisions as text, one frontend a line, so that a case that fails is a readable difference.
import type { DecidedFrontend, DecidedService, DecidedSet } from "../model.ts";

/**
 * "10.96.0.10:80/TCP ClusterIP [10.244.1.1:8080 10.244.2.1:8080]"; two lists where clients from outside (first) and of the cluster
 * get different ones.
 */
export function frontendLines(service: DecidedService | undefined): string {
  return (service?.frontends ?? []).map(frontendLine).join("\n");
}

function frontendLine(frontend: DecidedFrontend): string {
  const { key, type, external, internal, dsr, localRedirect, sourceRanges, exceptions } = frontend;
  const words = [key, type];
  if (frontend.portName) words.push(`"${frontend.portName}"`);
  if (external && internal)
    words.push(
      external === internal ? setText(external) : `${setText(external)} ${setText(internal)}`,
    );
  if (dsr) words.push("dsr");
  if (localRedirect) words.push("redirect");
  if (sourceRanges) words.push(`from ${sourceRanges.join(",") || "nowhere"}`);
  if (exceptions.length > 0) words.push(`but for ${exceptions.join(",")}`);
  return words.join(" ");
}

export function setText({ backends, affinityTimeoutS, silent, maglev }: DecidedSet): string {
  const words = backends.map(({ key }) => key.replace(/\/[A-Z]+$/, ""));
  if (affinityTimeoutS > 0) words.push(`affinity ${affinityTimeoutS}s`);
  if (silent) words.push("silent");
  if (maglev) words.push("maglev");
  return `[${words.join(" ")}]`;
}

/** "path: message" a line. */
export function warningLines(service: DecidedService | undefined): string {
  return (service?.warnings ?? []).map(({ path, message }) => `${path}: ${message}`).join("\n");
}
