// The list of flows in a real browser.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { inPage, startBrowser, type TestBrowser } from "./support/browser.ts";
import { startCluster, type TestCluster } from "./support/cluster.ts";
import { shopScene } from "./support/shop.ts";

let cluster: TestCluster;
let browser: TestBrowser;
let page: Page;

before(async () => {
  cluster = await startCluster({ scene: shopScene() });
  const now = Date.now();
  cluster.add(now - 240_000, now, 8_000);
  browser = await startBrowser();
});
after(async () => {
  await browser[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

const rows = () => page.locator(".table-row:not(.is-note)");
const cells = (column: number) =>
  page.locator(`.table-row:not(.is-note) > [role=cell]:nth-child(${column})`).allTextContents();

async function open(path: string): Promise<void> {
  page = await browser.open(cluster.url + path);
}

async function settled(isThere: (texts: readonly string[]) => boolean, column: number) {
  const deadlineMs = Date.now() + 10_000;
  for (;;) {
    const texts = await cells(column);
    if (texts.length > 0 && isThere(texts)) return;
    assert.ok(Date.now() < deadlineMs, `rows are ${texts.slice(0, 5).join(" | ")}`);
    await page.waitForTimeout(50);
  }
}

const all = (pattern: RegExp) => (texts: readonly string[]) =>
  texts.every((text) => pattern.test(text));

test("flows appear newest first, and new ones come by themselves", async () => {
  await open("/flows");
  await rows().first().waitFor();
  const times = await cells(1);
  assert.deepEqual(times, times.toSorted().toReversed());
  const [newest = ""] = times;
  cluster.add(Date.now() - 100, Date.now(), 20);
  await settled(([first = ""]) => first > newest, 1);
  await page.close();
});

test("a typed filter becomes a chip, a part of the URL, and the server's; back and forward work", async () => {
  await open("/flows");
  await rows().first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("verdict:DROPPED");
  await page.keyboard.press("Enter");
  await settled(all(/^dropped$/), 2);
  assert.equal(new URL(page.url()).search, "?verdict=DROPPED");
  await page.keyboard.type("-namespace:shop");
  await page.keyboard.press("Enter");
  await settled(all(/^analytics\//), 3);
  assert.equal(new URL(page.url()).search, "?verdict=DROPPED&not.namespace=shop");
  await page.goBack();
  await settled((texts) => texts.some((text) => text.startsWith("shop/")), 3);
  await page.goBack();
  await settled((texts) => texts.includes("forwarded"), 2);
  await page.goForward();
  await settled(all(/^dropped$/), 2);
  await page.getByRole("button", { name: "Remove verdict DROPPED" }).click();
  await settled((texts) => texts.includes("forwarded"), 2);
  await page.close();
});

test("bare words are understood, and names of the cluster are suggested", async () => {
  await open("/flows");
  await rows().first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("5432");
  await page.getByRole("option", { name: "to-port 5432", exact: true }).click();
  await settled(all(/:5432$/), 4);
  await page.keyboard.type("from-pod:cat");
  await page
    .getByRole("option", { name: /from-pod shop\/catalog-/ })
    .first()
    .waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await settled(all(/^shop\/catalog-/), 3);
  await page.close();
});

test("a wrong value is answered in words", async () => {
  await open("/flows?verdict=LOST");
  await page.getByText(/verdict "LOST": One of FORWARDED/).waitFor();
  await page.close();
});

test("filters are saved by name, in the browser", async () => {
  await open("/flows?namespace=data&verdict=DROPPED");
  await page.getByRole("button", { name: "Saved filters" }).click();
  await page.getByText("hubble observe --namespace data --verdict DROPPED --follow").waitFor();
  await page.getByRole("textbox", { name: "Name for these filters" }).fill("denied in data");
  await page.keyboard.press("Enter");
  await page.goto(`${cluster.url}/flows`);
  await page.getByRole("button", { name: "Saved filters" }).click();
  await page.getByRole("button", { name: "denied in data", exact: true }).click();
  await settled(all(/^dropped$/), 2);
  assert.equal(new URL(page.url()).search, "?namespace=data&verdict=DROPPED");
  await page.close();
});

test("a default deny leads to the policies that cause it, their YAML, and the smallest rule that would allow it", async () => {
  await open("/flows?drop-reason-desc=POLICY_DENIED");
  await rows().first().click();
  const panel = page.getByRole("complementary", { name: "The selected flow" });
  await panel.getByText("these 2 policies select it, and no rule allows this").waitFor();
  const policy = panel.getByText("data/postgres", { exact: true });
  await policy.click();
  await panel.getByText("who may ask the database").waitFor();
  await panel.getByText("data/default-deny", { exact: true }).click();
  await panel.getByText("podSelector:").waitFor();
  await panel.getByRole("button", { name: "Smallest rule that would allow it" }).click();
  const rule = panel.getByRole("region", { name: "Smallest rule that would allow it" });
  await rule.waitFor();
  const yaml = (await rule.locator(".yaml-line").allTextContents()).join("\n");
  for (const part of ["kind: CiliumNetworkPolicy", "app: postgres", "app: report", "port: '5432'"])
    assert.ok(yaml.includes(part), `${part} is missing in\n${yaml}`);
  await browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await panel.locator(".smallest").getByRole("button", { name: "Copy YAML" }).click();
  await panel.getByRole("status").filter({ hasText: "Copied" }).waitFor({ state: "attached" });
  const copied = await inPage<string>(page, "return navigator.clipboard.readText()");
  assert.match(copied, /^apiVersion: cilium\.io\/v2\nkind: CiliumNetworkPolicy/);
  await page.close();
});

test("a deny rule leads to its lines in the object", async () => {
  await open("/flows?drop-reason-desc=POLICY_DENY");
  await rows().first().click();
  const panel = page.getByRole("complementary", { name: "The selected flow" });
  await panel.getByText("spec.ingressDeny[0]").waitFor();
  await panel.locator("mark").first().waitFor();
  const marked = (await panel.locator("mark").allTextContents()).map((line) => line.trim());
  assert.deepEqual(marked, ["- fromEndpoints:", "- matchLabels:", "app: frontend"]);
  assert.ok(await panel.locator("mark").first().isVisible());
  await page.close();
});

test("a drop that is no policy's is explained, with what to do", async () => {
  await open("/flows?drop-reason-desc=SERVICE_BACKEND_NOT_FOUND");
  await rows().first().click();
  const panel = page.getByRole("complementary", { name: "The selected flow" });
  await panel.getByText("The service has no ready backend for this port.").waitFor();
  await panel.getByText("What to do.").waitFor();
  assert.equal(await panel.getByRole("button", { name: /Smallest rule/ }).count(), 0);
  await page.close();
});

test("the address of a flow can be sent to others; its values can be filtered for", async () => {
  await open("/flows?verdict=DROPPED&namespace=data");
  await rows().first().click();
  const panel = page.getByRole("complementary", { name: "The selected flow" });
  await panel.waitFor();
  const address = page.url();
  const title = await panel.locator(".panel-sub").textContent();
  await page.close();
  // Thousands of flows later it is in nobody's list of the newest.
  cluster.add(Date.now() - 50, Date.now(), 3_000);
  page = await browser.open(address);
  const shown = page.getByRole("complementary", { name: "The selected flow" });
  assert.equal(await shown.locator(".panel-sub").textContent(), title);
  await shown.locator("details.json summary").click();
  await shown.getByText('"drop_reason_desc"').waitFor();
  await shown.getByRole("button", { name: "Filter for Port 5432" }).click();
  assert.match(page.url(), /to-port=5432/);
  await page.close();
});

test("losses are a row of the list and a number beside it", async () => {
  await open("/flows");
  await rows().first().waitFor();
  cluster.observer.lost({ source: 1, count: 1_234, cpu: 0, firstNs: 1n, lastNs: 2n });
  await page.getByText("1,234 flows lost on node-1, in the kernel").waitFor();
  assert.equal(await page.getByTestId("lost").textContent(), "1,234 lost");
  await page.close();
});

test("who scrolls down is left in peace, and gets older flows; new ones wait at the top", async () => {
  await open("/flows");
  await rows().first().waitFor();
  const list = page.getByRole("table", { name: "Flows, newest first" });
  await inPage(page, `document.querySelector(".table-scroll").scrollTo({ top: 5000 })`);
  await page.waitForTimeout(200);
  const [before] = await rows().first().allTextContents();
  cluster.add(Date.now() - 100, Date.now(), 50);
  const waiting = page.getByRole("button", { name: /\d+ new flows?$/ });
  await waiting.waitFor();
  assert.equal((await rows().first().allTextContents())[0], before);
  const count = async () => Number(await list.getAttribute("aria-rowcount"));
  const known = await count();
  await inPage(page, `document.querySelector(".table-scroll").scrollTo({ top: 1e9 })`);
  const deadlineMs = Date.now() + 5_000;
  while ((await count()) < known + 400) {
    assert.ok(Date.now() < deadlineMs, `${await count()} rows`);
    await page.waitForTimeout(50);
  }
  await waiting.click();
  await waiting.waitFor({ state: "detached" });
  const times = await cells(1);
  assert.deepEqual(times, times.toSorted().toReversed());
  await page.close();
});

test("a range of the past is listed, newest first, back to its beginning", async () => {
  const since = new Date(Date.now() - 200_000).toISOString();
  const until = new Date(Date.now() - 150_000).toISOString();
  await open(`/flows?since=${since}&until=${until}&verdict=DROPPED`);
  await rows().first().waitFor();
  const clock = (iso: string) => new Date(iso).toTimeString().slice(0, 8);
  for (const time of await cells(1))
    assert.ok(time >= clock(since) && time <= `${clock(until)}.999`, time);
  assert.equal(await page.getByRole("button", { name: "Pause" }).count(), 0);
  await page.close();
});

test("columns can be chosen and are remembered", async () => {
  await open("/flows");
  await rows().first().waitFor();
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByRole("checkbox", { name: "Source address" }).check();
  await page.getByRole("checkbox", { name: "Event" }).uncheck();
  await page.reload();
  await rows().first().waitFor();
  const heads = await page.getByRole("columnheader").allTextContents();
  assert.ok(heads.includes("Source address") && !heads.includes("Event"), heads.join());
  await inPage(page, "localStorage.clear()");
  await page.close();
});

test("nothing but the keyboard is needed from a filter to the rule", async () => {
  await open("/flows");
  await rows().first().waitFor();
  const press = async (...keys: string[]) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  await press("/");
  await page.keyboard.type("verd");
  await press("Tab");
  await page.keyboard.type("drop");
  await press("ArrowDown", "Enter");
  await settled(all(/^dropped$/), 2);
  await press("Escape", "Escape");
  const list = page.getByRole("table", { name: "Flows, newest first" });
  await list.focus();
  await press("ArrowDown", "ArrowDown");
  const panel = page.getByRole("complementary", { name: "The selected flow" });
  await panel.getByRole("heading", { name: "Why" }).waitFor();
  await press("Home");
  await page.locator('.table-row[aria-current][aria-rowindex="2"]').waitFor();
  await press("Escape");
  await panel.waitFor({ state: "detached" });
  await press("g", "p");
  await page.getByRole("heading", { name: "Policies" }).waitFor();
  await press("g", "m");
  await page.getByRole("group", { name: /Service map/ }).waitFor();
  await page.close();
});

test("no page wrote an error", () => {
  // Browsers tell of every answer that is a refusal: one was asked for.
  const own = browser.errors.filter((text) => !/status of 400/.test(text));
  assert.deepEqual(own, []);
});
