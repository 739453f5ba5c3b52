// The layer check: imports go downward only, and a feature sees nothing of another feature but its model.
//   node tools/layers.ts
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { pathToFileURL } from "node:url";

const root = join(import.meta.dirname, "..");

/** Highest first. What is not listed among packages is an unknown package: an error. */
const layers: readonly (readonly string[])[] = [
  ["apps"],
  // A library for users' tests, made of features as apps are.
  ["policy-test"],
  [
    "controllers",
    "endpoint",
    "identity",
    "ipam",
    "ipcache",
    "cloud",
    "health",
    "node",
    "policy",
    "loadbalancer",
    "encryption",
    "proxy",
    "dns",
    "kafka",
    "fqdn",
    "hubble",
  ],
  ["datapath", "kube", "apiserver", "runtime"],
  ["tables", "ebpf", "netlink"],
  ["syscall"],
  ["net"],
];
const features = layers[2] as readonly string[];

const importPattern =
  /(?:^|\n)\s*(?:import|export)[^'"`;]*?from\s*["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)|(?:^|\n)import\s+["']([^"']+)["']/g;

const isTest = (path: string) => path.endsWith(".test.ts") || /\/(test|testing)\//.test(path);

/** "packages/net/src/a.ts" -> "net"; "apps/lab/src/b.ts" -> "apps". */
function unitOf(path: string): string {
  const [top, name] = path.split("/");
  return top === "packages" ? (name as string) : "apps";
}

function layerOf(unit: string): number {
  return layers.findIndex((layer) => layer.includes(unit));
}

function complaint(path: string, target: string): string | undefined {
  const unit = unitOf(path);
  if (target.startsWith(".")) {
    const resolved = normalize(join(dirname(path), target));
    const home = path.split("/").slice(0, 2).join("/");
    const staysHome = resolved.startsWith(`${home}/`);
    return staysHome || unit === "apps" ? undefined : "a relative import leaves its package";
  }
  const found = /^@tsilium\/([^/]+)(\/.*)?$/.exec(target);
  if (!found) return undefined;
  const [, other = "", inner] = found;
  if (other === unit) return undefined;
  if (other === "testkit" || unit === "testkit") {
    return isTest(path) || unit === "testkit" ? undefined : "testkit is for tests alone";
  }
  if (isTest(path)) return undefined;
  if (layerOf(other) < 0) return `unknown package ${other}`;
  if (features.includes(unit) && features.includes(other)) {
    return inner === "/model.ts"
      ? undefined
      : "a feature may import another feature's model.ts and nothing else of it";
  }
  return layerOf(unit) < layerOf(other) ? undefined : `${unit} is not above ${other}`;
}

/** Every import that breaks the layering, as "file: import: why". */
export function layerViolations(): string[] {
  const found: string[] = [];
  for (const path of globSync(["packages/*/src/**/*.ts", "apps/*/src/**/*.ts"], { cwd: root })) {
    for (const match of readFileSync(join(root, path), "utf8").matchAll(importPattern)) {
      const target = match[1] ?? match[2] ?? match[3] ?? "";
      const why = complaint(path, target);
      if (why) found.push(`${path}: ${target}: ${why}`);
    }
  }
  return found;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const violations = layerViolations();
  for (const line of violations) console.error(line);
  process.exitCode = violations.length > 0 ? 1 : 0;
}
