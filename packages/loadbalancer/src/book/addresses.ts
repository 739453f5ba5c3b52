// Whose an address is, whatever the port: cluster IPs, and addresses that services were given from outside.
import type { DecidedService } from "../model.ts";
import type { Candidate } from "./precedence.ts";

/** Holders by address, in text. */
class Holders {
  readonly #byAddress = new Map<string, string[]>();

  add(address: string, holder: string): void {
    const holders = this.#byAddress.get(address);
    if (holders) holders.push(holder);
    else this.#byAddress.set(address, [holder]);
  }

  delete(address: string, holder: string): void {
    const holders = this.#byAddress.get(address) ?? [];
    const index = holders.indexOf(holder);
    if (index >= 0) holders.splice(index, 1);
    if (holders.length === 0) this.#byAddress.delete(address);
  }

  /** Somebody other than `holder` who has it. */
  other(address: string, holder: string): string | undefined {
    return this.#byAddress.get(address)?.find((each) => each !== holder);
  }
}

export type AddressBar = { readonly holder: string; readonly reason: string };

export class Addresses {
  readonly #clusterIps = new Holders();
  readonly #outside = new Holders();

  /** Addresses whose frontends may be judged differently from now on. */
  replace(before: DecidedService | undefined, after: DecidedService | undefined): string[] {
    const touched: string[] = [];
    const put = (service: DecidedService | undefined, word: "add" | "delete") => {
      if (!service) return;
      for (const address of service.clusterIps) {
        this.#clusterIps[word](`${address}`, service.key);
        touched.push(`${address}`);
      }
      for (const address of outsideAddresses(service)) {
        this.#outside[word](address, service.key);
        touched.push(address);
      }
    };
    put(before, "delete");
    put(after, "add");
    return touched;
  }

  /** Why a service may not have a frontend at that address, though nobody has the frontend itself. */
  barTo({ service, frontend }: Candidate): AddressBar | undefined {
    const { type } = frontend;
    if (type !== "LoadBalancer" && type !== "ExternalIPs" && type !== "LocalRedirect")
      return undefined;
    const address = `${frontend.address}`;
    const owner = this.#clusterIps.other(address, service.key);
    if (owner !== undefined)
      return { holder: owner, reason: `${address} is the cluster IP of ${owner}` };
    const server = type === "LocalRedirect" ? this.#outside.other(address, service.key) : undefined;
    return server === undefined
      ? undefined
      : { holder: server, reason: `${address} is an address of service ${server}` };
  }
}

function outsideAddresses({ frontends }: DecidedService): ReadonlySet<string> {
  return new Set(
    frontends.flatMap(({ type, address }) =>
      type === "LoadBalancer" || type === "ExternalIPs" ? `${address}` : [],
    ),
  );
}
