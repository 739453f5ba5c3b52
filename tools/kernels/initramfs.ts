// The first file system of a guest: busybox, the modules that lead to the host's files, and init.sh.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Kernel } from "./debian.ts";

/** Built into some kernels, modules in others. */
const modules = ["virtio_pci", "virtiofs", "overlay", "virtio_console"];

/** Writes `target`. The settings are shell variables for init.sh and guest.sh. */
export function writeInitramfs(
  kernel: Kernel,
  target: string,
  settings: Readonly<Record<string, string>>,
): void {
  const staging = `${target}.d`;
  rmSync(staging, { recursive: true, force: true });
  for (const name of ["bin", "dev", "proc", "modules"])
    mkdirSync(join(staging, name), { recursive: true });
  copyFileSync("/bin/busybox", join(staging, "bin/busybox"));
  copyFileSync(join(import.meta.dirname, "init.sh"), join(staging, "init"));
  chmodSync(join(staging, "init"), 0o755);
  const variables = Object.entries(settings).map(([name, value]) => `${name}=${quote(value)}\n`);
  writeFileSync(join(staging, "settings"), variables.join(""));
  for (const [index, path] of modulePaths(kernel).entries()) {
    const place = join(staging, "modules", `${String(index).padStart(2, "0")}-${basename(path)}`);
    if (path.endsWith(".xz")) writeFileSync(place.slice(0, -3), unxz(path));
    else copyFileSync(path, place);
  }
  execFileSync("sh", ["-c", 'find . | cpio --quiet -o -H newc > "$0"', target], { cwd: staging });
  rmSync(staging, { recursive: true });
}

/** The modules and those they need, in the order in which they are to be inserted. */
function modulePaths({ root, release }: Kernel): string[] {
  const lines = modules.flatMap((name) =>
    execFileSync("/sbin/modprobe", ["-d", root, "-S", release, "--show-depends", name], {
      encoding: "utf8",
    }).split("\n"),
  );
  const paths = lines.flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []);
  return [...new Set(paths)];
}

function unxz(path: string): Uint8Array {
  return execFileSync("xz", ["-dc", path], { maxBuffer: 64 << 20 });
}

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
