// What an image name and a container's command come to: a lab pulls no images, it has a few of its own and
// runs the host's programs. Pure.
import type { Container, Pod } from "@tsilium/kube";
import { expand } from "./environment.ts";

/** The echo server for the container's declared ports. */
const echoImage = "tsilium.io/echo";
/** The cluster's DNS server. */
export const dnsImage = "tsilium.io/dns";

export type Programs = {
  /** dist/bin/echo */
  readonly echo: string;
  /** Node and the script of the DNS server. */
  readonly dns: readonly string[];
};

export type ResolvedCommand = {
  readonly argv: readonly string[];
  /** The program tells by descriptor 3 when it is ready. */
  readonly reportsReady: boolean;
};

/** The container cannot run; what its waiting state says. */
export class ImageError extends Error {
  readonly code = "ErrImagePull";
}

/** @throws ImageError for an image we have not got, without a command. */
export function commandOf(
  pod: Pod,
  container: Container,
  context: { readonly environment: Readonly<Record<string, string>>; readonly programs: Programs },
): ResolvedCommand {
  const { environment, programs } = context;
  const words = (list: readonly string[] | undefined) =>
    (list ?? []).map((word) => expand(word, environment));
  const command = words(container.command);
  const args = words(container.args);
  if (command.length > 0) return { argv: [...command, ...args], reportsReady: false };
  const image = (container.image ?? "").replace(/[:@].*$/, "");
  if (image === echoImage) {
    const names = [
      ["--pod", pod.metadata.name],
      ["--namespace", pod.metadata.namespace],
      ["--node", pod.spec.nodeName],
    ].flatMap(([flag, name]) => [flag as string, name ?? ""]);
    const argv = [programs.echo, ...names, "--ready-fd", "3", ...portsOf(container), ...args];
    return { argv, reportsReady: true };
  }
  if (image === dnsImage)
    return { argv: [...programs.dns, "--ready-fd", "3", ...args], reportsReady: true };
  throw new ImageError(
    `image "${container.image ?? ""}" is not pulled: a lab has no images but ${echoImage}; give the container a command, which runs from the host's own file system`,
  );
}

function portsOf(container: Container): string[] {
  return (container.ports ?? [])
    .filter(({ protocol = "TCP" }) => protocol !== "SCTP")
    .map(({ protocol = "TCP", containerPort }) => `${protocol.toLowerCase()}/${containerPort}`);
}
