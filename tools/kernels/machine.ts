// A guest under QEMU's own processor (TCG; no KVM is needed), with the host's files by virtiofs:
//
//   qemu ---- virtiofsd "host"    /, which the guest mounts read-only
//     |  `--- virtiofsd "cache"   .toolchain/kernels/cache, read-write
//     `------ virtio port         what the guest prints
//
// It has no network device. Everything started here ends with this process, also when that is killed.
import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { folder, type Kernel } from "./debian.ts";
import { writeInitramfs } from "./initramfs.ts";

export type GuestOptions = {
  readonly kernel: Kernel;
  /** Only test files whose path contains it; empty for all. */
  readonly pattern: string;
  readonly timeLimitMs: number;
};

/** How a guest ended: by itself, or not in time. `console` is what its kernel and QEMU said. */
export type Ending = { readonly inTime: boolean; readonly console: string };

const project = join(import.meta.dirname, "../..");
const cache = join(folder, "cache");
const memory = "3G";

/** Boots a guest, runs guest.sh in it, and waits for its end; its output goes to `print` as it comes. */
export async function runGuest(
  { kernel, pattern, timeLimitMs }: GuestOptions,
  print: (text: string) => void,
): Promise<Ending> {
  const own = mkdtempSync(join(tmpdir(), "tsilium-guest-"));
  const log = join(own, "console");
  const children: ChildProcess[] = [];
  try {
    mkdirSync(cache, { recursive: true });
    const settings = { PROJECT: project, KERNEL_ROOT: kernel.root, CACHE: cache, PATTERN: pattern };
    writeInitramfs(kernel, join(own, "initramfs"), settings);
    for (const [tag, source] of Object.entries({ host: "/", cache }))
      children.push(await shareFiles(join(own, tag), source, log));
    const qemu = start("qemu-system-x86_64", machineOptions(kernel, own), log);
    children.push(qemu);
    qemu.stdout?.setEncoding("utf8").on("data", print);
    const limit = setTimeout(() => qemu.kill("SIGKILL"), timeLimitMs);
    const signal = await ended(qemu);
    clearTimeout(limit);
    return { inTime: signal === null, console: readFileSync(log, "utf8") };
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.map(ended));
    rmSync(own, { recursive: true });
  }
}

/** Starts a virtiofsd; answers when it listens. */
async function shareFiles(socket: string, source: string, log: string): Promise<ChildProcess> {
  const options = [
    ["-f", `--socket-path=${socket}`, "--rlimit-nofile=10000"],
    ["-o", `source=${source},cache=always,sandbox=chroot,log_level=err`],
  ];
  const daemon = start("/usr/lib/qemu/virtiofsd", options.flat(), log);
  while (!existsSync(socket)) {
    if (daemon.exitCode !== null) throw new Error(`virtiofsd: ${readFileSync(log, "utf8")}`);
    await sleep(20);
  }
  return daemon;
}

function machineOptions(kernel: Kernel, own: string): string[] {
  const share = (tag: string) => [
    ["-chardev", `socket,id=${tag},path=${join(own, tag)}`],
    ["-device", `vhost-user-fs-pci,chardev=${tag},tag=${tag}`],
  ];
  return [
    ["-nodefaults", "-no-reboot"],
    ["-display", "none"],
    ["-accel", "tcg,thread=multi"],
    ["-cpu", "max"],
    ["-smp", "2"],
    ["-m", memory],
    // Shared: virtiofsd reads and writes the guest's memory.
    ["-object", `memory-backend-memfd,id=memory,size=${memory},share=on`],
    ["-machine", "q35,memory-backend=memory"],
    ["-kernel", kernel.image],
    ["-initrd", join(own, "initramfs")],
    ["-append", "console=ttyS0 panic=-1 quiet"],
    ["-chardev", `file,id=console,path=${join(own, "console")},append=on`],
    ["-serial", "chardev:console"],
    ...share("host"),
    ...share("cache"),
    // The guest's writes wait while nobody holds the other end of the port, which is stdin and stdout.
    ["-device", "virtio-serial-pci"],
    ["-chardev", "stdio,id=output"],
    ["-device", "virtserialport,chardev=output,name=output"],
  ].flat();
}

function start(program: string, args: readonly string[], log: string): ChildProcess {
  const stderr = openSync(log, "a");
  const stdio = ["pipe", "pipe", stderr] as const;
  const child = spawn("setpriv", ["--pdeathsig=KILL", program, ...args], { stdio: [...stdio] });
  closeSync(stderr);
  return child;
}

/** The signal that ended a child, null when it ended by itself. */
function ended(child: ChildProcess): Promise<NodeJS.Signals | null> {
  if (child.exitCode !== null || child.signalCode !== null)
    return Promise.resolve(child.signalCode);
  return new Promise((resolve) => child.once("close", (_code, signal) => resolve(signal)));
}
