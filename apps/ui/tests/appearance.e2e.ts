// What the page is like for people with small screens, dark rooms, keyboards and screen readers.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { inPage, startBrowser, type TestBrowser } from "./support/browser.ts";
import { startCluster, type TestCluster } from "./support/cluster.ts";
import { shopScene } from "./support/shop.ts";

let cluster: TestCluster;
let browser: TestBrowser;

before(async () => {
  cluster = await startCluster({ scene: shopScene() });
  const now = Date.now();
  cluster.add(now - 120_000, now, 4_000);
  browser = await startBrowser();
});
after(async () => {
  await browser[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

const views = [
  "/map",
  "/flows",
  "/flows?verdict=DROPPED",
  "/policies",
  "/endpoints",
  "/identities",
  "/services",
];

async function ready(page: Page, path: string): Promise<void> {
  await page
    .locator(path === "/map" ? "[data-card]" : ".table-row")
    .first()
    .waitFor();
}

test("at phone width nothing is cut off at the side, and a drop's rule can be read", async () => {
  for (const path of views) {
    const page = await browser.open(cluster.url + path, { width: 360, height: 740 });
    await ready(page, path);
    const [scroll = 0, client = 0] = await inPage<number[]>(
      page,
      "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]",
    );
    assert.ok(scroll <= client, `${path}: ${scroll} of ${client} pixels`);
    const outside = await inPage<string[]>(
      page,
      `const operated = "header button, header a, .toolbar button, .toolbar input";
      return [...document.querySelectorAll(operated)]
        .filter((element) => element.offsetParent !== null)
        .filter((element) => {
          const { left, right } = element.getBoundingClientRect();
          return left < -1 || right > innerWidth + 1;
        })
        .map((element) => element.outerHTML.slice(0, 80));`,
    );
    assert.deepEqual(outside, [], path);
    if (path.includes("DROPPED")) {
      await page.locator(".table-row").first().click();
      const panel = page.getByRole("complementary", { name: "The selected flow" });
      await panel.getByRole("heading", { name: "Why" }).waitFor();
      const box = await panel.boundingBox();
      assert.ok(box && box.width >= 358, "the details fill the screen");
    }
    await page.close();
  }
});

test("dark follows the system, and the switch overrules it and is remembered", async () => {
  const page = await browser.open(`${cluster.url}/flows`);
  const brightness = () =>
    inPage<number>(
      page,
      `const parts = getComputedStyle(document.body).backgroundColor.match(/\\d+/g) ?? [];
      return parts.slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;`,
    );
  assert.ok((await brightness()) > 200);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.ok((await brightness()) < 40);
  await page.getByRole("button", { name: /^Colours: as the system/ }).click();
  assert.ok((await brightness()) > 200);
  await page.reload();
  assert.ok((await brightness()) > 200);
  await page.getByRole("button", { name: /^Colours: light/ }).click();
  await page.emulateMedia({ colorScheme: "light" });
  assert.ok((await brightness()) < 40);
  await page.getByRole("button", { name: /^Colours: dark/ }).click();
  assert.ok((await brightness()) > 200);
  await page.close();
});

const interactive = new Set([
  "button",
  "link",
  "textbox",
  "searchbox",
  "combobox",
  "checkbox",
  "slider",
  "option",
  "DisclosureTriangle",
]);

test("everything that can be operated has a name, on every view and with details open", async () => {
  for (const path of views) {
    const page = await browser.open(cluster.url + path);
    await ready(page, path);
    if (path.startsWith("/flows")) {
      await page.locator(".table-row").first().click();
      await page.getByRole("complementary").waitFor();
    }
    const session = await page.context().newCDPSession(page);
    const { nodes } = await session.send("Accessibility.getFullAXTree");
    const nameless = nodes.filter(
      ({ ignored, role, name }) =>
        !ignored && interactive.has(String(role?.value)) && String(name?.value ?? "").trim() === "",
    );
    assert.deepEqual(
      nameless.map(({ role }) => role?.value),
      [],
      path,
    );
    const landmarks = nodes
      .filter(({ ignored }) => !ignored)
      .map(({ role }) => String(role?.value));
    for (const landmark of ["banner", "navigation", "main"])
      assert.ok(landmarks.includes(landmark), `${path} has no ${landmark}`);
    await page.close();
  }
});

test("what streams is not announced: live regions are few, and still while flows come", async () => {
  const page = await browser.open(`${cluster.url}/flows`);
  await ready(page, "/flows");
  await inPage(
    page,
    `globalThis.announced = [];
    for (const region of document.querySelectorAll("[role=status], [role=alert], [aria-live]")) {
      new MutationObserver(() => globalThis.announced.push(region.textContent)).observe(region, {
        subtree: true,
        childList: true,
        characterData: true,
      });
    }`,
  );
  for (let at = 0; at < 20; at++) {
    cluster.add(Date.now() - 50, Date.now(), 100);
    await page.waitForTimeout(50);
  }
  const announced = await inPage<string[]>(page, "return globalThis.announced");
  assert.deepEqual(announced, []);
  await page.close();
});

test("focus is seen, and goes through the page in order: skip link, views, filters, list", async () => {
  const page = await browser.open(`${cluster.url}/flows`);
  await ready(page, "/flows");
  const names: string[] = [];
  for (let at = 0; at < 24; at++) {
    await page.keyboard.press("Tab");
    const { name, outline } = await inPage<{ name: string; outline: number }>(
      page,
      `const element = document.activeElement;
      const { outlineWidth } = getComputedStyle(element);
      return {
        name: element.getAttribute("aria-label") ?? element.textContent?.trim() ?? "",
        outline: element.matches(".filter-field input") ? 2 : Number.parseFloat(outlineWidth),
      };`,
    );
    names.push(name);
    assert.ok(outline >= 2, `${name}: ${outline}`);
    if (name === "Flows, newest first") break;
  }
  const order = [
    "To the content",
    "Map",
    "Flows",
    "Services",
    "Add a filter",
    "Flows, newest first",
  ].map((name) => names.indexOf(name));
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
  assert.ok(order[0] === 0 && !order.includes(-1), names.join(" > "));
  await page.close();
});

test("with reduced motion nothing glides", async () => {
  const page = await browser.open(`${cluster.url}/map`);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await ready(page, "/map");
  await page.waitForTimeout(500);
  const transform = () =>
    inPage<string>(
      page,
      `return getComputedStyle(document.querySelector(".react-flow__viewport")).transform`,
    );
  const before = await transform();
  await page.getByRole("button", { name: "Zoom in (+)" }).click();
  await page.waitForTimeout(60);
  const soon = await transform();
  await page.waitForTimeout(400);
  assert.notEqual(soon, before);
  assert.equal(await transform(), soon);
  await page.close();
});

test("what the network says cannot write into the page or turn its lines round", async () => {
  const page = await browser.open(`${cluster.url}/flows?uuid=11111111-2222-4333-8444-555555555555`);
  const [flow] = cluster.make(Date.now(), 1);
  assert.ok(flow);
  cluster.observer.add([
    {
      ...flow,
      uuid: "11111111-2222-4333-8444-555555555555",
      source: {
        ...flow.source,
        podName: "<img src=x onerror=alert(1)>\u202e\u0007",
        labels: ["k8s:app=<script>alert(1)</script>"],
      },
      summary: "\u001b[31mred",
    },
  ]);
  await page.getByText("<img src=x onerror=alert(1)>\\u{202e}\\u{7}").first().click();
  const panel = page.getByRole("complementary", { name: "The selected flow" });
  await panel.getByText("k8s:app=<script>alert(1)</script>").waitFor();
  assert.equal(await page.locator("img").count(), 0);
  const shown = (await page.locator("body").textContent()) ?? "";
  for (const hidden of ["\u0007", "\u001b", "\u202e"]) assert.ok(!shown.includes(hidden));
  await page.close();
});

test("no page wrote an error", () => {
  assert.deepEqual(browser.errors, []);
});
