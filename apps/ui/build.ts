// Builds the page: scripts by rolldown, styles joined, one HTML file; every file but that has its content's hash in
// its name. Nothing is fetched from anywhere when the page runs.
import { createHash } from "node:crypto";
import { globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";

const web = join(import.meta.dirname, "web");
const modules = join(import.meta.dirname, "../../node_modules");

/** What the page is made from, for who decides whether it has to be built again. Relative to the repository. */
export const pageInputs = [
  "apps/ui/build.ts",
  "apps/ui/web/**/*.{ts,tsx,css,html,svg}",
  "apps/ui/src/shared/*.ts",
  "packages/hubble/src/model.ts",
  "packages/policy/src/suggest/*.ts",
] as const;

/** Builds the page into `outDir`, which is replaced as a whole. */
export async function buildPage(outDir: string): Promise<void> {
  const made = `${outDir}.${process.pid}`;
  rmSync(made, { recursive: true, force: true });
  mkdirSync(join(made, "assets"), { recursive: true });
  const scripts = await buildScripts(join(made, "assets"));
  const files: Record<string, string> = {
    main: scripts["main"] as string,
    "layout-worker": scripts["layout-worker"] as string,
    styles: write(made, "styles.css", styles()),
    icon: write(made, "icon.svg", readFileSync(join(web, "icon.svg"), "utf8")),
  };
  const html = readFileSync(join(web, "index.html"), "utf8").replace(
    /\{\{([\w-]+)\}\}/g,
    (_, name: string) => files[name] as string,
  );
  writeFileSync(join(made, "index.html"), html);
  rmSync(outDir, { recursive: true, force: true });
  mkdirSync(dirname(outDir), { recursive: true });
  renameSync(made, outDir);
}

/** Entry -> its URL. */
async function buildScripts(folder: string): Promise<Record<string, string>> {
  const { rolldown } = await import("rolldown");
  const build = await rolldown({
    input: {
      main: join(web, "main.tsx"),
      "layout-worker": join(web, "map/layout/worker.ts"),
    },
    platform: "browser",
    transform: {
      define: { "process.env.NODE_ENV": '"production"' },
      jsx: "react-jsx",
      target: "es2024",
    },
    onLog: (level, log, defaultHandler) => {
      const isNoise = log.code === "CIRCULAR_DEPENDENCY" || log.code === "MODULE_LEVEL_DIRECTIVE";
      if (!isNoise) defaultHandler(level, log);
    },
  });
  const { output } = await build.write({
    dir: folder,
    format: "esm",
    minify: true,
    entryFileNames: "[name]-[hash].js",
    chunkFileNames: "[name]-[hash].js",
  });
  await build.close();
  const entries = output.flatMap((file) => (file.type === "chunk" && file.isEntry ? [file] : []));
  return Object.fromEntries(entries.map(({ name, fileName }) => [name, `/assets/${fileName}`]));
}

/** React Flow's own rules come first, so that ours win. */
function styles(): string {
  const own = globSync("styles/*.css", { cwd: web }).toSorted();
  return [join(modules, "@xyflow/react/dist/base.css"), ...own.map((name) => join(web, name))]
    .map((path) => readFileSync(path, "utf8"))
    .join("\n")
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/\s*\n\s*/g, "\n");
}

/** Answers its URL. */
function write(folder: string, name: string, text: string): string {
  const hash = createHash("sha256").update(text).digest("base64url").slice(0, 8);
  const fileName = `${basename(name, extname(name))}-${hash}${extname(name)}`;
  writeFileSync(join(folder, "assets", fileName), text);
  return `/assets/${fileName}`;
}
