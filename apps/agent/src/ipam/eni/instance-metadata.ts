// Which instance this is: EC2's metadata service, version 2 (a token first, which a forwarded request cannot get).
import { request } from "node:http";

export type InstanceMetadata = {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly availabilityZone: string;
  /** Of the first interface. */
  readonly vpcId: string;
  readonly subnetId: string;
};

const patienceMs = 5_000;
const largestAnswer = 4_096;
const tokenSeconds = "300";

/** @throws Error when the service does not answer as it should; the signal's reason */
export async function readInstanceMetadata(
  endpoint: string,
  signal: AbortSignal,
): Promise<InstanceMetadata> {
  const token = await ask(new URL("/latest/api/token", endpoint), {
    method: "PUT",
    headers: { "x-aws-ec2-metadata-token-ttl-seconds": tokenSeconds },
    signal,
  });
  const read = (path: string) =>
    ask(new URL(`/latest/meta-data/${path}`, endpoint), {
      method: "GET",
      headers: { "x-aws-ec2-metadata-token": token },
      signal,
    });
  const mac = word(await read("mac"), /^[0-9a-f:]{17}$/);
  const ofInterface = `network/interfaces/macs/${mac}`;
  return {
    instanceId: word(await read("instance-id"), /^i-[0-9a-f]+$/),
    instanceType: word(await read("instance-type"), /^[a-z0-9.-]+$/),
    availabilityZone: word(await read("placement/availability-zone"), /^[a-z0-9-]+$/),
    vpcId: word(await read(`${ofInterface}/vpc-id`), /^vpc-[0-9a-z-]+$/),
    subnetId: word(await read(`${ofInterface}/subnet-id`), /^subnet-[0-9a-z-]+$/),
  };
}

/** Anybody may answer at a link-local address: what is not the word that was asked for is refused. */
function word(answer: string, pattern: RegExp): string {
  if (pattern.test(answer)) return answer;
  throw new Error(`the metadata service answers ${JSON.stringify(answer.slice(0, 80))}`);
}

function ask(
  url: URL,
  options: {
    readonly method: string;
    readonly headers: Record<string, string>;
    readonly signal: AbortSignal;
  },
): Promise<string> {
  const { method, headers } = options;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(patienceMs)]);
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers, signal, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (more: string) => {
        text += more;
        if (text.length > largestAnswer) answer.destroy(new Error("an answer is too long"));
      });
      answer.on("error", reject);
      answer.on("end", () => {
        if (answer.statusCode === 200) resolve(text.trim());
        else reject(new Error(`${method} ${url.pathname}: status ${answer.statusCode}`));
      });
    });
    asked.on("error", reject);
    asked.end();
  });
}
