// Headless Chromium with a profile of its own, which is gone afterwards.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";

export type TestBrowser = AsyncDisposable & {
  readonly context: BrowserContext;
  /** A new page; what it writes to its console as an error is kept. */
  open(url: string, options?: { readonly width?: number; readonly height?: number }): Promise<Page>;
  /** Errors of all pages so far. */
  readonly errors: readonly string[];
};

export async function startBrowser(
  options: Parameters<typeof chromium.launchPersistentContext>[1] = {},
): Promise<TestBrowser> {
  const profile = mkdtempSync(join(tmpdir(), "tsilium-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium",
    headless: true,
    // Root has no sandbox; machines of CI have little shared memory.
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
    viewport: { width: 1280, height: 800 },
    colorScheme: "light",
    ...options,
  });
  const errors: string[] = [];
  return {
    context,
    errors,
    async open(url, { width = 1280, height = 800 } = {}) {
      const page = await context.newPage();
      await page.setViewportSize({ width, height });
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
      });
      page.on("pageerror", (error) => errors.push(String(error)));
      await page.goto(url);
      return page;
    },
    async [Symbol.asyncDispose]() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** Runs a function's body in the page. As text: the DOM's types and Node's do not go together in one program. */
export function inPage<T = void>(page: Page, body: string): Promise<T> {
  return page.evaluate<T>(`(async () => { ${body} })()`);
}
