// EC2's instance metadata service, version 2 alone: which instance asks is told by its address.
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { World } from "./world.ts";

export class MetadataServer implements AsyncDisposable {
  readonly #world: World;
  readonly #instanceOf: (address: string) => string | undefined;
  readonly #server: Server;
  readonly #tokens = new Set<string>();

  /** @param instanceOf the instance of a client's address; absent: by the interfaces that have it */
  constructor(world: World, instanceOf?: (address: string) => string | undefined) {
    this.#world = world;
    this.#instanceOf =
      instanceOf ??
      ((address) =>
        [...world.interfaces.values()].find(({ primary }) => primary === address)?.attachment
          ?.instanceId);
    this.#server = createServer((request, response) => {
      const client = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
      const { method = "", url = "", headers } = request;
      const { status, text } = this.#answer(client, { method, url, headers });
      response.writeHead(status, { "content-type": "text/plain" });
      response.end(text);
    });
  }

  /** Answers the URL. */
  async listen(host: string, port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, resolve);
    });
    return `http://${host}:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #answer(
    client: string,
    request: {
      readonly method: string;
      readonly url: string;
      readonly headers: Readonly<Record<string, string | string[] | undefined>>;
    },
  ): { readonly status: number; readonly text: string } {
    const { method, url, headers } = request;
    if (url === "/latest/api/token") {
      const seconds = Number(headers["x-aws-ec2-metadata-token-ttl-seconds"]);
      if (method !== "PUT") return { status: 405, text: "" };
      if (!(seconds >= 1 && seconds <= 21_600)) return { status: 400, text: "" };
      const token = randomBytes(32).toString("base64url");
      this.#tokens.add(token);
      return { status: 200, text: token };
    }
    if (!this.#tokens.has(String(headers["x-aws-ec2-metadata-token"])))
      return { status: 401, text: "" };
    const text = this.#data(client).get(url);
    return text === undefined ? { status: 404, text: "" } : { status: 200, text };
  }

  #data(client: string): ReadonlyMap<string, string> {
    const id = this.#instanceOf(client) ?? "";
    const instance = this.#world.instances.get(id);
    if (!instance) return new Map();
    const { zone, vpcId } = this.#world.subnet(instance.subnetId);
    const first = this.#world.interfacesOf(id).find(({ attachment }) => attachment?.index === 0);
    const mac = first?.mac ?? "";
    const data = "/latest/meta-data";
    return new Map([
      [`${data}/instance-id`, id],
      [`${data}/instance-type`, instance.type],
      [`${data}/placement/availability-zone`, zone],
      [`${data}/mac`, mac],
      [`${data}/network/interfaces/macs/${mac}/vpc-id`, vpcId],
      [`${data}/network/interfaces/macs/${mac}/subnet-id`, instance.subnetId],
    ]);
  }
}
