// The page's files, read once: a build beneath a running server changes nothing for it.
import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";

export type Asset = {
  readonly type: string;
  readonly body: Buffer;
  readonly gzipped: Buffer;
  /** Its name has its content's hash in it: it may be kept for ever. */
  readonly immutable: boolean;
};

export type Assets = {
  /** By the URL's path. */
  readonly files: ReadonlyMap<string, Asset>;
  readonly page: Asset;
};

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** @throws Error when the folder has no index.html: it was not built. */
export function loadAssets(folder: string): Assets {
  const files = new Map<string, Asset>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const type = types[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const path = join(entry.parentPath, entry.name);
    const body = readFileSync(path);
    files.set(`/${relative(folder, path)}`, {
      type,
      body,
      gzipped: gzipSync(body, { level: 9 }),
      immutable: /-[\w-]{8,}\.(js|css|svg)$/.test(entry.name),
    });
  }
  const page = files.get("/index.html");
  if (!page) throw new Error(`${folder} has no index.html: npm run build`);
  return { files, page };
}
