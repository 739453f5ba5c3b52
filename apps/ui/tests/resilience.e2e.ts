// Whatever dies, the page says so and goes on by itself.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "./support/browser.ts";
import { startCluster, type TestCluster } from "./support/cluster.ts";
import { shopScene } from "./support/shop.ts";
import { startUiProcess, type UiProcess } from "./support/ui-process.ts";

let cluster: TestCluster;
let browser: TestBrowser;
let ui: UiProcess;

before(async () => {
  cluster = await startCluster({ scene: shopScene(), objects: false });
  const now = Date.now();
  cluster.add(now - 30_000, now, 300);
  ui = await startUiProcess(["--relay", `unix://${cluster.folder}/relay.sock`]);
  browser = await startBrowser();
});
after(async () => {
  await browser[Symbol.asyncDispose]();
  await ui[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

const banner = (page: Page, text: RegExp) => page.getByRole("status").filter({ hasText: text });

async function seen(page: Page): Promise<number> {
  const text = (await page.locator(".feed-bar").textContent()) ?? "";
  return Number(/([\d,]+) in the list/.exec(text)?.[1]?.replaceAll(",", ""));
}

async function untilSeen(page: Page, count: number): Promise<void> {
  const deadlineMs = Date.now() + 20_000;
  while ((await seen(page)) < count) {
    assert.ok(Date.now() < deadlineMs, `${await seen(page)} of ${count}`);
    await page.waitForTimeout(50);
  }
}

test("relay dies and comes back: a banner, and then every flow once", async () => {
  const page = await browser.open(`${ui.url}/flows`);
  await untilSeen(page, 300);
  const begun = cluster.observer.status().seenFlows;
  await cluster.stopRelay();
  await banner(page, /Relay does not answer/).waitFor();
  cluster.add(Date.now() - 100, Date.now(), 40);
  await cluster.startRelay();
  await banner(page, /Relay does not answer/).waitFor({ state: "detached" });
  cluster.add(Date.now() - 100, Date.now(), 40);
  const all = cluster.observer.status().seenFlows;
  assert.ok(all > begun);
  await untilSeen(page, all);
  await page.waitForTimeout(300);
  assert.equal(await seen(page), all);
  await page.close();
});

test("kill -9 of the page's server: a banner, and then every flow once", async () => {
  const page = await browser.open(`${ui.url}/flows`);
  await untilSeen(page, cluster.observer.status().seenFlows);
  await ui.kill();
  await banner(page, /server does not answer/).waitFor();
  cluster.add(Date.now() - 100, Date.now(), 40);
  await ui.start();
  await banner(page, /server does not answer/).waitFor({ state: "detached" });
  cluster.add(Date.now() - 100, Date.now(), 40);
  const all = cluster.observer.status().seenFlows;
  await untilSeen(page, all);
  await page.waitForTimeout(300);
  assert.equal(await seen(page), all);
  await page.close();
});

test("kill -9 of the server beneath the map: it goes on, and counts nothing twice", async () => {
  const page = await browser.open(`${ui.url}/map`);
  await page.locator("[data-card]").first().waitFor();
  const slider = page.getByRole("slider", { name: "Time that the map shows" });
  await page.getByLabel("Width of the window").selectOption("whole");
  const flows = async () =>
    Number(
      /: ([\d,]+) flows?/
        .exec((await slider.getAttribute("aria-valuetext")) ?? "")?.[1]
        ?.replaceAll(",", ""),
    );
  await page.waitForTimeout(1_500);
  const begun = await flows();
  assert.ok(begun > 0);
  await ui.kill();
  await banner(page, /server does not answer/).waitFor();
  await ui.start();
  await banner(page, /server does not answer/).waitFor({ state: "detached" });
  cluster.add(Date.now() - 50, Date.now(), 20);
  const deadlineMs = Date.now() + 10_000;
  while ((await flows()) <= begun) {
    assert.ok(Date.now() < deadlineMs, `${await flows()} after ${begun}`);
    await page.waitForTimeout(100);
  }
  await page.waitForTimeout(1_500);
  const now = await flows();
  assert.ok(now <= begun + 30, `${now} after ${begun}: some are counted twice`);
  await page.close();
});

test("a page that is opened while nothing is there says so, and begins when it is", async () => {
  await cluster.stopRelay();
  const page = await browser.open(`${ui.url}/flows`);
  await banner(page, /Relay does not answer/).waitFor();
  await cluster.startRelay();
  await page.locator(".table-row").first().waitFor();
  await banner(page, /Relay does not answer/).waitFor({ state: "detached" });
  await page.close();
});

test("no page wrote an error of its own", () => {
  // Browsers tell of connections that broke.
  const own = browser.errors.filter((text) => !/Failed to load resource|ERR_/.test(text));
  assert.deepEqual(own, []);
});
