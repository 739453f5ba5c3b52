// Pods of L7 tests, and the files that they are made of: programs are run from the machine's own file system.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubeObject } from "@tsilium/kube";
import { testAuthority, type TestLeaf } from "@tsilium/testkit/certificates.ts";
import { root, run } from "../harness.ts";

/** A folder with a certificate (ca.crt, tls.crt, tls.key) and librdkafka's mock broker. */
export class TestFiles implements Disposable {
  readonly folder: string;
  readonly authority: string;
  readonly leaf: TestLeaf;

  private constructor(folder: string, authority: string, leaf: TestLeaf) {
    this.folder = folder;
    this.authority = authority;
    this.leaf = leaf;
  }

  /** @param names that the certificate is for */
  static async make(names: readonly string[]): Promise<TestFiles> {
    const folder = mkdtempSync(join(tmpdir(), "tsilium-l7-"));
    chmodSync(folder, 0o755);
    const authority = await testAuthority("l7");
    const leaf = await authority.issue(names);
    writeFileSync(join(folder, "ca.crt"), authority.certificate);
    writeFileSync(join(folder, "tls.crt"), leaf.certificate);
    writeFileSync(join(folder, "tls.key"), leaf.privateKey);
    const source = join(root, "tests/native/kafka/kafka-mock.c");
    // (Debian: librdkafka-dev.)
    const words = ["-O1", "-o", `${folder}/kafka-mock`, source, "-rdynamic", "-lrdkafka", "-ldl"];
    const { status, stderr } = await run("cc", words);
    assert.equal(status, 0, stderr);
    return new TestFiles(folder, authority.certificate, leaf);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

export type PodPlace = {
  /** Its label `app`, too. */
  readonly name: string;
  readonly node: string;
  readonly labels?: Readonly<Record<string, string>>;
};

export function idlePod(place: PodPlace, namespace: string): KubeObject {
  return pod(place, namespace, { command: ["sleep", "infinity"] });
}

type Where = { readonly namespace: string; readonly files: TestFiles };
type Ports = { readonly first: number; readonly last: number };

/** server.ts. */
export function serverPod(
  place: PodPlace,
  {
    namespace,
    files,
    ports,
    grpcPort,
  }: Where & { readonly ports: Ports; readonly grpcPort: number },
): KubeObject {
  const { folder } = files;
  const args = [
    place.name,
    ports.first,
    ports.last,
    grpcPort,
    `${folder}/tls.crt`,
    `${folder}/tls.key`,
  ];
  const program = join(import.meta.dirname, "server.ts");
  return pod(place, namespace, {
    command: [process.execPath, program, ...args.map(String)],
    readinessProbe: { tcpSocket: { port: grpcPort }, periodSeconds: 1 },
  });
}

type Broker = {
  readonly family: 4 | 6;
  /** A broker for each: clients go on to the address that a broker says. */
  readonly ports: readonly number[];
  readonly topics: readonly string[];
};

export function brokerPod(
  place: PodPlace,
  { namespace, files, family, ports, topics }: Where & Broker,
): KubeObject {
  const script = `
    address=$(hostname -I | tr " " "\\n" | grep -m1 "${family === 4 ? "[.]" : ":"}")
    for port in ${ports.join(" ")}; do
      sleep infinity | ${files.folder}/kafka-mock "$address" $port 1 ${topics.join(" ")} &
    done
    wait`;
  return pod(place, namespace, { command: ["sh", "-c", script] });
}

function pod({ name, node, labels }: PodPlace, namespace: string, container: object): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { app: name, ...labels } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "main", image: "any", ...container }],
    },
  } as KubeObject;
}
