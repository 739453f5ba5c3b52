// The map in a real browser.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { inPage, startBrowser, type TestBrowser } from "./support/browser.ts";
import { startCluster, type TestCluster } from "./support/cluster.ts";
import { Traffic, workload } from "./support/scene.ts";
import { shopScene } from "./support/shop.ts";

let cluster: TestCluster;
let browser: TestBrowser;
let page: Page;

before(async () => {
  cluster = await startCluster({ scene: shopScene() });
  const now = Date.now();
  cluster.add(now - 280_000, now - 60_000, 6_000);
  cluster.add(now - 60_000, now, 3_000);
  cluster.run(60);
  browser = await startBrowser();
});
after(async () => {
  await browser[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

const card = (name: string | RegExp) => page.getByRole("button", { name });
const panel = () => page.getByRole("complementary", { name: "What is selected" });

async function open(path: string): Promise<void> {
  page = await browser.open(cluster.url + path);
  await page.locator("[data-card]").first().waitFor();
}

async function cards(): Promise<string[]> {
  const ids = await inPage<string[]>(
    page,
    `return [...document.querySelectorAll("[data-card]")].map((card) => card.dataset.card)`,
  );
  return ids.map(decodeURIComponent).toSorted();
}

/** The map fits itself when its first cards are there. */
const still = () => page.waitForTimeout(700);

test("workloads appear in their namespaces; the world, the host and the API server stand alone", async () => {
  await open("/map");
  await card(/^frontend, Deployment/).waitFor();
  await still();
  const groups = await page.locator(".group-title").allTextContents();
  assert.deepEqual(groups.toSorted(), [
    "analytics",
    "data",
    "ingress",
    "kube-system",
    "monitoring",
    "shop",
  ]);
  const found = await cards();
  for (const key of [
    "reserved///world",
    "reserved///host",
    "reserved///kube-apiserver",
    "fqdn///api.payments.example",
    "workload/data/StatefulSet/postgres",
    "workload/analytics/CronJob/report",
  ])
    assert.ok(found.includes(key), `${key} is missing among ${found.join(" ")}`);
  assert.match(
    (await card(/^postgres/).getAttribute("aria-label")) ?? "",
    /flows a second, \d+ dropped/,
  );
  await page.close();
});

test("one namespace is shown with whom it talks to", async () => {
  await open("/map?namespace=analytics");
  await still();
  assert.deepEqual(await cards(), [
    "workload/analytics/CronJob/report",
    "workload/data/StatefulSet/kafka",
    "workload/data/StatefulSet/postgres",
  ]);
  await page.close();
});

test("a card leads to its connections and flows, one of those to its details", async () => {
  await open("/map");
  await card(/^postgres/).click();
  await panel().getByRole("heading", { name: "data/postgres" }).waitFor();
  assert.match(page.url(), /node=workload%2Fdata%2FStatefulSet%2Fpostgres/);
  await panel().locator(".table-row").first().waitFor();
  for (const text of await panel().locator(".flow-card-ends").allTextContents())
    assert.match(text, /data\/postgres-/);
  await panel().getByRole("button", { name: "analytics/report" }).click();
  await panel()
    .getByRole("heading", { name: /analytics\/report.*data\/postgres/ })
    .waitFor();
  await panel().locator(".table-row").first().click();
  const details = page.getByRole("complementary", { name: "The selected flow" });
  await details.getByText(/denied by default/).waitFor();
  await details.getByRole("button", { name: "Close (Esc)" }).click();
  await panel()
    .getByRole("heading", { name: /analytics\/report/ })
    .waitFor();
  await page.goBack();
  await panel().getByRole("heading", { name: "data/postgres" }).waitFor();
  await page.close();
});

test("a line can be clicked: the pair's flows, and only those", async () => {
  await open("/map?namespace=analytics");
  await still();
  const box = async (name: RegExp) => {
    const found = await card(name).boundingBox();
    assert.ok(found);
    return found;
  };
  const from = await box(/^report/);
  const to = await box(/^kafka/);
  // A little before its end the line is alone.
  await page.mouse.move(to.x - 6, to.y + to.height / 2);
  await page.mouse.click(to.x - 6, to.y + to.height / 2);
  await panel()
    .getByRole("heading", { name: /analytics\/report.*data\/kafka/ })
    .waitFor();
  await panel().locator(".table-row").first().waitFor();
  for (const text of await panel().locator(".flow-card-ends").allTextContents())
    assert.match(text, /analytics\/report.*data\/kafka/);
  // Beside all lines and cards: nothing is selected any more.
  await page.mouse.click(from.x, from.y - 150);
  await panel().waitFor({ state: "detached" });
  await page.close();
});

test("the map is a table too", async () => {
  await open("/map");
  await page.getByRole("button", { name: "Table", exact: true }).click();
  const table = page.locator("table.connections");
  await table.getByRole("button", { name: "analytics/report" }).first().waitFor();
  const row = table.getByRole("row", { name: /shop\/frontend.*shop\/catalog.*TCP 9000/ });
  await row.getByRole("button").click();
  await panel()
    .getByRole("heading", { name: /shop\/frontend.*shop\/catalog/ })
    .waitFor();
  await page.close();
});

test("namespaces are folded into one card and unfolded again; that is remembered", async () => {
  await open("/map");
  await still();
  await card("Fold shop").click();
  await card(/^shop, 7 workloads/).waitFor();
  assert.equal(await page.locator('[data-card="workload/shop/Deployment/cart"]').count(), 0);
  await page.reload();
  await card(/^shop, 7 workloads/).waitFor();
  await card("Unfold shop").click();
  await card(/^cart/).waitFor();
  await card("Fold all namespaces").click();
  await card(/^data, 3 workloads/).waitFor();
  await card("Unfold all namespaces").click();
  await card(/^redis/).waitFor();
  await inPage(page, "localStorage.clear()");
  await page.close();
});

test("who comes moves nobody", async () => {
  await open("/map?namespace=shop");
  await still();
  const places = () =>
    inPage<string[]>(
      page,
      `return [...document.querySelectorAll("[data-card]")].map((card) => {
        const { left, top } = card.closest(".react-flow__node").style;
        return [card.dataset.card, left, top].join(" ");
      })`,
    );
  const before = await places();
  const { parties } = shopScene();
  const frontend = parties.get("frontend");
  assert.ok(frontend);
  const newcomer = workload("shop", "newcomer");
  const traffic = new Traffic(
    {
      parties,
      talks: [{ from: newcomer, to: frontend, protocol: "tcp", port: 8080, weight: 1 }],
    },
    5,
    2_000_000,
  );
  cluster.observer.add(traffic.between(Date.now() - 50, Date.now(), 10));
  // Sequences go on from there.
  cluster.skipTo(2_000_100);
  await card(/^newcomer/).waitFor();
  await page.waitForTimeout(500);
  const after = await places();
  assert.deepEqual(
    after.filter((place) => !place.includes("newcomer")).toSorted(),
    before.toSorted(),
  );
  await page.close();
});

test("the time line shows a window of the past: by keyboard, in the URL, and back to now", async () => {
  await open("/map");
  await still();
  const slider = page.getByRole("slider", { name: "Time that the map shows" });
  await slider.focus();
  for (let step = 0; step < 3; step++) await page.keyboard.press("PageDown");
  await page.waitForURL(/at=/);
  const text = (await slider.getAttribute("aria-valuetext")) ?? "";
  assert.match(text, /^\d\d:\d\d:\d\d to \d\d:\d\d:\d\d: [\d,]+ flows?, \d+ dropped$/);
  await page.keyboard.press("Home");
  await page.waitForTimeout(800);
  // There was nothing in the first seconds of the span.
  const first = (await slider.getAttribute("aria-valuetext")) ?? "";
  assert.notEqual(first, text);
  await page.getByRole("button", { name: "Live", exact: true }).click();
  await page.waitForURL((url) => !url.searchParams.has("at"));
  await page.close();
});

test("a range of the past is played", async () => {
  const now = Date.now();
  const since = new Date(now - 240_000).toISOString();
  const until = new Date(now - 120_000).toISOString();
  await open(`/map?since=${since}&until=${until}`);
  const slider = page.getByRole("slider", { name: "Time that the map shows" });
  await page.getByText("all of it").waitFor();
  const whole = (await slider.getAttribute("aria-valuetext")) ?? "";
  const flows = Number(/: ([\d,]+) flows/.exec(whole)?.[1]?.replaceAll(",", ""));
  assert.ok(flows > 2_000, whole);
  await page.getByRole("button", { name: "Play" }).click();
  await page.waitForURL(/at=/);
  const at = () => Number(slider.getAttribute("aria-valuenow"));
  const begun = await slider.getAttribute("aria-valuenow");
  await page.waitForTimeout(1_500);
  assert.ok(Number(await slider.getAttribute("aria-valuenow")) > Number(begun), `${at()}`);
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByRole("button", { name: "All", exact: true }).click();
  await page.getByText("all of it").waitFor();
  await page.close();
});

test("arrow keys go from card to card, Enter selects, Escape lets go", async () => {
  await open("/map");
  await still();
  await page.getByRole("group", { name: /Service map/ }).focus();
  const focused = () =>
    inPage<string | null>(page, `return document.activeElement.getAttribute("data-card")`);
  await page.keyboard.press("ArrowRight");
  await page.waitForTimeout(400);
  const first = await focused();
  assert.ok(first);
  await page.keyboard.press("ArrowRight");
  await page.waitForTimeout(400);
  const second = await focused();
  assert.ok(second && second !== first, `${first} ${second}`);
  await page.keyboard.press("Enter");
  await panel().waitFor();
  await page.keyboard.press("Escape");
  await panel().waitFor({ state: "detached" });
  await page.close();
});

test("no page wrote an error", () => {
  assert.deepEqual(browser.errors, []);
});
