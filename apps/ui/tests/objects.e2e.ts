// Tables of objects in a real browser.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { resources } from "@tsilium/kube";
import { startBrowser, type TestBrowser } from "./support/browser.ts";
import { startCluster, type TestCluster } from "./support/cluster.ts";
import { shopScene } from "./support/shop.ts";

const { signal } = new AbortController();
let cluster: TestCluster;
let browser: TestBrowser;

before(async () => {
  cluster = await startCluster({ scene: shopScene() });
  const now = Date.now();
  cluster.add(now - 60_000, now, 3_000);
  browser = await startBrowser();
});
after(async () => {
  await browser[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

test("policies: searched, opened, and led from to the flows that they denied", async () => {
  const page = await browser.open(`${cluster.url}/policies`);
  await page.getByRole("row", { name: /data\/postgres/ }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("postgres");
  await page.getByText("1 of 3").waitFor();
  assert.match(page.url(), /q=postgres/);
  await page.getByRole("button", { name: "data/postgres" }).click();
  const panel = page.getByRole("complementary", { name: "Policy data/postgres" });
  await panel.getByText("who may ask the database").waitFor();
  await panel.getByRole("link", { name: "Flows it denied" }).click();
  await page.locator(".table-row").first().waitFor();
  assert.match(page.url(), /\/flows\?cel-expression=/);
  const destinations = await page
    .locator(".table-row:not(.is-note) > [role=cell]:nth-child(4)")
    .allTextContents();
  for (const destination of destinations) assert.match(destination, /^data\/postgres-\d:5432$/);
  await page.close();
});

test("endpoints, identities and services are listed and lead to their flows", async () => {
  const rows = [
    ["endpoints", /analytics report-.*ready/, /pod=analytics%2Freport/],
    ["identities", /app=redis/, /identity=\d+/],
    ["services", /data kafka ClusterIP .* 1 of 2/, /service=data%2Fkafka/],
  ] as const;
  for (const [kind, row, url] of rows) {
    const page = await browser.open(`${cluster.url}/${kind}`);
    await page
      .getByRole("row", { name: row })
      .getByRole("link", { name: /^Flows of/ })
      .click();
    await page.locator(".flow-table").waitFor();
    assert.match(page.url(), url);
    await page.close();
  }
});

test("a table follows the API server", async () => {
  const { client } = cluster.api ?? {};
  assert.ok(client);
  const page = await browser.open(`${cluster.url}/policies`);
  await page.getByRole("row", { name: /data\/postgres/ }).waitFor();
  const policy = {
    metadata: { name: "newcomer", namespace: "shop" },
    spec: { podSelector: {}, policyTypes: ["Egress" as const] },
  };
  await client.create(resources.networkPolicies, policy, { signal });
  await page.getByRole("row", { name: /shop\/newcomer.*egress/ }).waitFor();
  await client.delete(resources.networkPolicies, "newcomer", { namespace: "shop", signal });
  await page.getByRole("row", { name: /shop\/newcomer/ }).waitFor({ state: "detached" });
  await page.close();
});

test("a column's head sorts, both ways", async () => {
  const page = await browser.open(`${cluster.url}/services`);
  await page.getByRole("row", { name: /kafka/ }).waitFor();
  const names = () => page.locator(".table-row > [role=cell]:nth-child(2)").allTextContents();
  const head = page.getByRole("columnheader", { name: "Service" });
  await head.getByRole("button").click();
  const up = await names();
  assert.deepEqual(up, up.toSorted());
  assert.equal(await head.getAttribute("aria-sort"), "ascending");
  await head.getByRole("button").click();
  assert.deepEqual(await names(), up.toReversed());
  await page.close();
});

test("no page wrote an error", () => {
  assert.deepEqual(browser.errors, []);
});
