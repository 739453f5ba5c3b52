// What the run takes from Debian: programs, installed when they are missing, and kernels, which are only
// unpacked under .toolchain/kernels.
import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

export const folder = join(import.meta.dirname, "../../.toolchain/kernels");

/** A kernel unpacked from its package. */
export type Kernel = {
  /** "6.1", as the project names it. */
  readonly line: string;
  /** What uname -r says in it: "6.1.0-56-cloud-amd64". */
  readonly release: string;
  /** The compressed image, as QEMU boots it. */
  readonly image: string;
  /** The folder that holds lib/modules/<release>, with modules.dep made. */
  readonly root: string;
};

/** A program of each package, by which a package is known to be installed. */
const packages: Readonly<Record<string, string>> = {
  "qemu-system-x86": "/usr/bin/qemu-system-x86_64",
  "qemu-system-common": "/usr/lib/qemu/virtiofsd",
  seabios: "/usr/share/seabios/bios-256k.bin",
  "busybox-static": "/bin/busybox",
  cpio: "/usr/bin/cpio",
  kmod: "/sbin/depmod",
  "xz-utils": "/usr/bin/xz",
};

/** Installs what is missing, and says so. Needs root. */
export function installPackages(): void {
  const missing = Object.keys(packages).filter((name) => !existsSync(packages[name] as string));
  if (missing.length === 0) return;
  console.log(`installing Debian packages: ${missing.join(" ")}`);
  const options = ["-y", "-qq", "--no-install-recommends"];
  run("apt-get", ["update", "-qq"]);
  run("apt-get", ["install", ...options, ...missing]);
}

/** The newest cloud kernel of a line that the machine's sources offer, fetched once and kept. */
export function fetchKernel(line: string): Kernel {
  const root = join(folder, line);
  if (!existsSync(root)) unpack(line, root);
  const [release] = readdirSync(join(root, "lib/modules"));
  if (!release) throw new Error(`${root} holds no kernel: remove it, and it is fetched again`);
  return { line, release, image: join(root, `boot/vmlinuz-${release}`), root };
}

/** Under another name until it is complete: an interrupted run leaves nothing that looks like a kernel. */
function unpack(line: string, root: string): void {
  const name = newestPackage(line);
  console.log(`fetching ${name}`);
  const partial = `${root}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  // As root: apt's own user may not write to this folder.
  run("apt-get", ["download", "-qq", "-o", "APT::Sandbox::User=root", name], partial);
  const [archive] = globSync("*.deb", { cwd: partial });
  run("dpkg", ["-x", archive as string, "."], partial);
  rmSync(join(partial, archive as string));
  const [release] = readdirSync(join(partial, "lib/modules"));
  run("depmod", ["-b", partial, release as string]);
  renameSync(partial, root);
}

/** The image packages are numbered: linux-image-6.1.0-56-cloud-amd64, linux-image-6.12.117+deb12-cloud-amd64. */
function newestPackage(line: string): string {
  const pattern = `^linux-image-${line.replace(".", "\\.")}\\.[0-9.]+([+-][a-z0-9]+)*-cloud-amd64$`;
  const search = () =>
    execFileSync("apt-cache", ["--names-only", "search", pattern], { encoding: "utf8" })
      .split("\n")
      .map((found) => found.split(" ")[0] as string)
      .filter((name) => name !== "")
      .toSorted((one, other) => one.localeCompare(other, "en", { numeric: true }));
  let names = search();
  if (names.length === 0) {
    run("apt-get", ["update", "-qq"]);
    names = search();
  }
  const newest = names.at(-1);
  if (!newest) throw new Error(`Debian's package sources here offer no ${line} cloud kernel`);
  return newest;
}

function run(program: string, args: readonly string[], cwd?: string): void {
  execFileSync(program, args, {
    cwd,
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
}
