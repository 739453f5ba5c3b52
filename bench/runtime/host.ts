// Hosts with a container runtime, alike in all but their network plugin.
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { Netns } from "@tsilium/testkit";
import { cgroupRoot } from "../../apps/lab/src/layout.ts";
import { makeCgroup, removeCgroup } from "../../apps/lab/src/topology/cgroup.ts";
import {
  NamespaceMode,
  PodSandboxConfigSchema,
} from "../../tests/peers/cri/gen/runtime/v1/api_pb.ts";
import { Containerd, type Cri } from "../../tests/peers/cri/containerd.ts";

export type HostOptions = {
  readonly name: string;
  readonly netns: Netns;
  /** For its plugins and their configuration. */
  readonly folder: string;
  /** The text of its conflist. */
  readonly conflist: string;
  /** The programs that it has, by their paths. */
  readonly plugins: readonly string[];
};

/** Which pod's sandbox it is to be. */
export type PodName = { readonly name: string; readonly namespace: string; readonly uid: string };

/** Milliseconds of one sandbox's calls. */
export type Taken = { readonly run: number; readonly stop: number; readonly remove: number };

export class RuntimeHost {
  readonly name: string;
  readonly #containerd: Containerd;
  readonly #cri: Cri;
  readonly #cgroup: string;
  #attempts = 0;

  private constructor(name: string, containerd: Containerd, cgroup: string) {
    this.name = name;
    this.#containerd = containerd;
    this.#cri = containerd.cri();
    this.#cgroup = cgroup;
  }

  static async start({ name, netns, folder, conflist, plugins }: HostOptions) {
    const cniBinDir = join(folder, "bin");
    const cniConfDir = join(folder, "net.d");
    const cgroup = join(cgroupRoot(), `tsilium-bench-${process.pid}-${name}`);
    for (const path of [cniBinDir, cniConfDir]) mkdirSync(path, { recursive: true });
    for (const path of plugins) symlinkSync(path, join(cniBinDir, basename(path)));
    writeFileSync(join(cniConfDir, "10-bench.conflist"), conflist);
    makeCgroup(join(cgroup, "host"));
    const place = { netns: netns.path, cgroup, cniBinDir, cniConfDir };
    return new RuntimeHost(name, await Containerd.start(place), cgroup);
  }

  /** Makes one sandbox and takes it away again. @param hostNetwork without CNI */
  async sandbox(pod: PodName, { hostNetwork }: { readonly hostNetwork: boolean }): Promise<Taken> {
    const network = hostNetwork ? NamespaceMode.NODE : NamespaceMode.POD;
    const config = create(PodSandboxConfigSchema, {
      metadata: { ...pod, attempt: this.#attempts++ },
      hostname: hostNetwork ? "" : pod.name,
      linux: {
        cgroupParent: join(this.#containerd.cgroupParent, pod.uid),
        securityContext: {
          namespaceOptions: { network, pid: NamespaceMode.CONTAINER, ipc: NamespaceMode.POD },
        },
      },
    });
    const started = performance.now();
    const { podSandboxId } = await this.#cri.runPodSandbox({ config });
    const running = performance.now();
    await this.#cri.stopPodSandbox({ podSandboxId });
    const stopped = performance.now();
    await this.#cri.removePodSandbox({ podSandboxId });
    return {
      run: running - started,
      stop: stopped - running,
      remove: performance.now() - stopped,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#containerd[Symbol.asyncDispose]();
    await removeCgroup(this.#cgroup);
  }
}
