// The call itself: one POST over TLS, of limited time and size, to an address that may be a service's.
import { request } from "node:https";
import { isIP } from "node:net";
import { rootCertificates } from "node:tls";
import type { Webhook } from "./model.ts";

/** Bytes of an answer. */
const maxAnswer = 1024 * 1024;

/** The cluster IP of a service, undefined when there is none. */
export type ServiceAddress = (namespace: string, name: string) => string | undefined;

/**
 * @throws Error whatever keeps the answer away: the connection, the certificate, the time, a status other than 200
 */
export async function callWebhook(
  { clientConfig, timeoutSeconds }: Pick<Webhook, "clientConfig" | "timeoutSeconds">,
  body: string,
  serviceAddress: ServiceAddress,
): Promise<unknown> {
  const { url, connectTo } = destination(clientConfig, serviceAddress);
  url.searchParams.set("timeout", `${timeoutSeconds}s`);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const signal = AbortSignal.timeout(timeoutSeconds * 1000);
  const call = request(url, {
    method: "POST",
    ...(connectTo
      ? { host: connectTo, headers: { ...headers(body), Host: url.host } }
      : { headers: headers(body) }),
    ...(isIP(url.hostname.replace(/^\[(.*)\]$/, "$1")) ? {} : { servername: url.hostname }),
    ca: clientConfig.caBundle
      ? Buffer.from(clientConfig.caBundle, "base64").toString("utf8")
      : [...rootCertificates],
    agent: false,
    signal,
  });
  call.on("response", (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxAnswer) call.destroy(new Error(`the answer is larger than ${maxAnswer} bytes`));
      else chunks.push(chunk);
    });
    response.on("error", reject);
    response.on("end", () => {
      const answer = Buffer.concat(chunks).toString("utf8");
      if (response.statusCode === 200) resolve(answer);
      else reject(new Error(`the server answered ${response.statusCode}`));
    });
  });
  call.on("error", (error) =>
    reject(signal.aborted ? new Error("context deadline exceeded") : error),
  );
  call.end(body);
  try {
    return JSON.parse(await promise) as unknown;
  } catch (error) {
    throw new Error(
      `failed to call webhook: Post ${JSON.stringify(url.href)}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

function headers(body: string): Record<string, string | number> {
  return {
    "Content-Type": "application/json",
    Accept: "application/json",
    "Content-Length": Buffer.byteLength(body),
  };
}

function destination(
  { url, service }: Webhook["clientConfig"],
  serviceAddress: ServiceAddress,
): { readonly url: URL; readonly connectTo: string | undefined } {
  if (!service) return { url: new URL(url as string), connectTo: undefined };
  const address = serviceAddress(service.namespace, service.name);
  if (address === undefined)
    throw new Error(
      `failed to call webhook: service ${JSON.stringify(`${service.namespace}/${service.name}`)} not found`,
    );
  const { name, namespace, port, path = "/" } = service;
  return { url: new URL(`https://${name}.${namespace}.svc:${port}${path}`), connectTo: address };
}
