// Every relative link in the project's *.md leads to a file, and its #part to a heading there.
//   node tools/links.ts
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "..");
const pages = globSync("**/*.md", {
  cwd: root,
  exclude: (path) => /(^|\/)(node_modules|\.toolchain|dist)(\/|$)/.test(path),
});
const broken = pages.flatMap((page) =>
  linksOf(readFileSync(join(root, page), "utf8"))
    .filter((link) => !leadsSomewhere(page, link))
    .map((link) => `${page}: ${link}`),
);
for (const line of broken) console.error(line);
console.log(`${pages.length} pages, ${broken.length} broken links`);
process.exitCode = broken.length > 0 ? 1 : 0;

/** Targets of links outside of code, those of the web left out. */
function linksOf(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target as string)
    .filter((target) => !/^[a-z]+:/.test(target));
}

function leadsSomewhere(page: string, link: string): boolean {
  const [file = "", part] = link.split("#");
  const path = file === "" ? join(root, page) : join(root, dirname(page), file);
  if (!existsSync(path)) return false;
  return part === undefined || statSync(path).isDirectory() || anchorsOf(path).includes(part);
}

/** Headings as GitHub makes anchors of them. */
function anchorsOf(path: string): string[] {
  const headings = readFileSync(path, "utf8").matchAll(/^#+ +(.*)$/gm);
  return [...headings].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
