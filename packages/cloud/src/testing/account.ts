// A small account, served: one VPC with two ranges, two zones, a node's and a pods' subnet in each.
import { connectEc2 } from "../aws/connect.ts";
import { type Ec2Options } from "../aws/connect.ts";
import type { Cloud } from "../model.ts";
import { Ec2Server, type Ec2ServerOptions } from "./ec2-server.ts";
import { writeCredentials } from "./credentials.ts";
import { World, type WorldSetup } from "./world.ts";

export const region = "eu-west-1";

export const exampleSetup: WorldSetup = {
  vpcs: [{ id: "vpc-1", cidrs: ["10.0.0.0/16", "100.64.0.0/16"] }],
  subnets: [
    { id: "subnet-a", vpcId: "vpc-1", cidr: "10.0.1.0/24", zone: "eu-west-1a", tags: {} },
    {
      id: "subnet-a-pods",
      vpcId: "vpc-1",
      cidr: "100.64.1.0/24",
      zone: "eu-west-1a",
      tags: { use: "pods" },
    },
    { id: "subnet-b", vpcId: "vpc-1", cidr: "10.0.2.0/24", zone: "eu-west-1b", tags: {} },
  ],
  groups: [
    { id: "sg-nodes", vpcId: "vpc-1", tags: {} },
    { id: "sg-pods", vpcId: "vpc-1", tags: { use: "pods" } },
  ],
  // Numbers are AWS's.
  types: [
    { name: "m5.large", interfaces: 3, ipv4: 10, ipv6: 10, hypervisor: "nitro" },
    { name: "t2.micro", interfaces: 2, ipv4: 2, ipv6: 2, hypervisor: "xen" },
    { name: "m4.large", interfaces: 2, ipv4: 10, ipv6: 10, hypervisor: "xen" },
  ],
};

export type TestAccount = AsyncDisposable & {
  readonly world: World;
  readonly server: Ec2Server;
  readonly url: string;
  /** A file that AWS's client reads its keys from. */
  readonly credentialsFile: string;
  /** A client with this account's keys, or with what `options` say. */
  readonly connect: (options?: Partial<Ec2Options>) => Promise<Cloud>;
};

/** Ends with its server and all clients. */
export async function startAccount(
  options: { readonly setup?: Partial<WorldSetup> } & Pick<Ec2ServerOptions, "limit"> = {},
): Promise<TestAccount> {
  const { setup = {}, ...more } = options;
  await using parts = new AsyncDisposableStack();
  const world = new World({ ...exampleSetup, ...setup });
  const account = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/EXAMPLEKEY" };
  const credentials = parts.use(writeCredentials(account));
  const server = parts.use(new Ec2Server({ world, account, region, ...more }));
  const url = await server.listen();
  const held = parts.move();
  return {
    world,
    server,
    url,
    credentialsFile: credentials.file,
    connect: async (wanted = {}) =>
      held.use(
        await connectEc2({
          region,
          endpoint: url,
          credentialsFile: credentials.file,
          queriesPerSecond: 1000,
          burst: 1000,
          ...wanted,
        }),
      ),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
