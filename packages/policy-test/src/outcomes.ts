// One question, asked in every family that both ends have.
import { TestError } from "./error.ts";
import type { Connection, Family, Outcome, Party } from "./model.ts";
import { parseRequest } from "./l7/request.ts";
import { parsePort, type TestPort } from "./port.ts";

/** @throws TestError port_invalid, request_invalid, unsupported when the ends share no family */
export async function outcomes({ from, to, port, options }: Connection): Promise<Outcome[]> {
  const parsed = parsePort(port);
  const number = parsed.kind === "number" ? parsed.port : undefined;
  const request = parseRequest(options, number);
  const families = familiesOf(from.cluster.families, [from.party, to.party], parsed).filter(
    (family) => options.family === undefined || options.family === family,
  );
  if (families.length > 0)
    return Promise.all(
      families.map((family) =>
        from.cluster.attempt({
          from: from.party,
          to: to.party,
          port: parsed,
          family,
          ...(request ? { request } : {}),
        }),
      ),
    );
  throw new TestError(
    "unsupported",
    `${from} and ${to} have no address family in common for ${port}`,
  );
}

function familiesOf(
  families: readonly Family[],
  parties: readonly Party[],
  port: TestPort,
): readonly Family[] {
  const wanted = [
    ...parties.map((party) =>
      party.kind !== "address" ? undefined : party.address.includes(":") ? 6 : 4,
    ),
    port.kind === "icmp" ? port.family : undefined,
  ];
  return families.filter((family) => wanted.every((one) => one === undefined || one === family));
}
