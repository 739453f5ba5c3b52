// Makes what `npm pack` takes: the library as one JavaScript file with its declarations, without the workspace around it.
//   node packages/policy-test/pack.ts FOLDER && npm pack FOLDER
import { execFile } from "node:child_process";
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { rolldown } from "rolldown";

const home = import.meta.dirname;
const root = join(home, "../..");
/** Installed by whoever installs the package; everything of the workspace is bundled. */
const external = ["ajv", "js-yaml"];

export async function packInto(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await bundle(join(folder, "index.mjs"));
  await declare(join(folder, "types"));
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest(), undefined, 2)}\n`);
  cpSync(join(home, "README.md"), join(folder, "README.md"));
  cpSync(join(root, "LICENSE"), join(folder, "LICENSE"));
}

async function bundle(file: string): Promise<void> {
  const build = await rolldown({
    input: join(home, "src/index.ts"),
    cwd: root,
    platform: "node",
    external,
    // `using` is newer than the oldest Node that this is for.
    transform: { target: "node22" },
    onLog: (level, log, defaultHandler) => {
      if (log.code !== "CIRCULAR_DEPENDENCY") defaultHandler(level, log);
    },
  });
  await build.write({ file, format: "esm" });
  await build.close();
}

/** Declarations of every file that is reached, with paths in place of the workspace's names. */
async function declare(folder: string): Promise<void> {
  const configuration = join(folder, "tsconfig.json");
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    configuration,
    JSON.stringify({
      extends: join(root, "tsconfig.json"),
      compilerOptions: {
        noEmit: false,
        declaration: true,
        emitDeclarationOnly: true,
        rootDir: join(root, "packages"),
        outDir: folder,
        typeRoots: [join(root, "node_modules/@types")],
        // By way of node_modules they would pass for somebody else's, who has declarations of his own.
        paths: {
          "@tsilium/*/model.ts": [join(root, "packages/*/src/model.ts")],
          "@tsilium/*": [join(root, "packages/*/src/index.ts")],
        },
      },
      files: [join(home, "src/index.ts")],
      include: [],
    }),
  );
  await promisify(execFile)(join(root, "node_modules/.bin/tsc"), ["-p", configuration]);
  rmSync(configuration);
  for (const path of globSync("**/*.d.ts", { cwd: folder })) {
    const file = join(folder, path);
    writeFileSync(file, withoutWorkspace(readFileSync(file, "utf8"), path));
  }
}

/** "@tsilium/kube" -> "../../kube/src/index.ts", "@tsilium/policy/model.ts" -> "../../policy/src/model.ts" */
function withoutWorkspace(text: string, path: string): string {
  return text.replace(
    /(["'])@tsilium\/([a-z-]+)(?:\/([\w./-]+\.ts))?\1/g,
    (_, quote: string, name: string, inner = "index.ts") => {
      const target = relative(dirname(path), `${name}/src/${inner}`);
      return `${quote}${target.startsWith(".") ? target : `./${target}`}${quote}`;
    },
  );
}

function manifest(): object {
  const own = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as {
    readonly name: string;
    readonly version: string;
    readonly license: string;
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const { name, version, license, dependencies } = own;
  return {
    name,
    version,
    license,
    type: "module",
    engines: { node: ">=22" },
    exports: { ".": { types: "./types/policy-test/src/index.d.ts", default: "./index.mjs" } },
    dependencies: Object.fromEntries(external.map((one) => [one, dependencies[one]])),
    peerDependencies: { "@types/node": "*" },
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error("usage: node packages/policy-test/pack.ts FOLDER");
  await packInto(folder);
}
