// The pictures of docs/hubble-ui.md, taken of the real page. Look at them before committing them.
//   tools/with-node.sh node apps/ui/tests/pictures.ts [FOLDER]     docs/images unless given
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { startBrowser } from "./support/browser.ts";
import { startCluster } from "./support/cluster.ts";
import { largeScene, shopScene } from "./support/shop.ts";

type Picture = {
  readonly name: string;
  readonly path: string;
  readonly width?: number;
  readonly height?: number;
  readonly isDark?: true;
  readonly pose?: (page: Page) => Promise<void>;
};

const firstRow = async (page: Page) => {
  await page.locator(".table-row:not(.is-note)").first().click();
  await page.getByRole("complementary", { name: "The selected flow" }).waitFor();
  await page.waitForTimeout(700);
};

const ofShop: readonly Picture[] = [
  { name: "map", path: "/map" },
  {
    name: "map-dark",
    path: "/map",
    isDark: true,
    pose: async (page) => {
      await page.getByRole("button", { name: /^postgres/ }).click();
      await page.waitForTimeout(1_200);
    },
  },
  { name: "flows", path: "/flows?namespace=shop&not.port=53" },
  {
    name: "drop",
    path: "/flows?verdict=DROPPED&namespace=data&not.drop-reason-desc=SERVICE_BACKEND_NOT_FOUND",
    pose: async (page) => {
      await firstRow(page);
      await page.getByRole("button", { name: "Smallest rule that would allow it" }).click();
      await page.waitForTimeout(500);
    },
  },
  {
    name: "rule",
    path: "/flows?verdict=DROPPED&to-pod=shop/payment",
    isDark: true,
    pose: firstRow,
  },
  {
    name: "policies",
    path: "/policies",
    pose: async (page) => {
      await page.getByRole("button", { name: "data/postgres" }).click();
      await page.waitForTimeout(500);
    },
  },
  { name: "phone-map", path: "/map", width: 390, height: 780 },
  {
    name: "phone-drop",
    path: "/flows?verdict=DROPPED&to-pod=shop/payment",
    width: 390,
    height: 780,
    pose: firstRow,
  },
];

const ofMany: readonly Picture[] = [
  {
    name: "large",
    path: "/map",
    pose: async (page) => {
      await page.getByRole("button", { name: "Unfold all namespaces" }).click();
      await page.waitForTimeout(3_000);
    },
  },
];

const folder = process.argv[2] ?? join(import.meta.dirname, "../../../docs/images");
mkdirSync(folder, { recursive: true });
await take(shopScene(), ofShop, 60);
await take(largeScene(500), ofMany, 600);

async function take(
  scene: ReturnType<typeof shopScene>,
  pictures: readonly Picture[],
  perSecond: number,
): Promise<void> {
  await using cluster = await startCluster({ scene });
  const now = Date.now();
  cluster.add(now - 299_000, now, perSecond * 299);
  cluster.run(perSecond);
  await using browser = await startBrowser();
  for (const { name, path, width = 1280, height = 800, isDark, pose } of pictures) {
    const page = await browser.open(cluster.url, { width, height });
    await page.emulateMedia({ colorScheme: isDark ? "dark" : "light" });
    await page.goto(cluster.url + path);
    await page.waitForTimeout(path === "/map" ? 4_000 : 2_000);
    await pose?.(page);
    await page.screenshot({ path: join(folder, `ui-${name}.png`) });
    await page.close();
  }
  if (browser.errors.length > 0) throw new Error(browser.errors.join("\n"));
}
