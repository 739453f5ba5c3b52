import assert from "node:assert/strict";
import { test } from "node:test";
import { serviceFeatures } from "../../agent/src/services/features.ts";
import { keys } from "../../agent/src/config/keys.ts";
import { sections } from "./status-sections.ts";

const part = (name: string) => ({ name, state: "ok", message: "" });

test("features of services have a section of their own, whatever they are called", () => {
  const config = Object.fromEntries(
    Object.entries(keys).map(([key, { fallback }]) => [key, fallback]),
  ) as Parameters<typeof serviceFeatures>[0]["config"];
  const features = serviceFeatures({ config, devices: [], datapath: [] });
  const found = sections([part("services"), ...features, part("watch services")]);
  assert.deepEqual(
    found.map((section) => section.parts.map(({ name }) => name)),
    [["services", "watch services"], features.map(({ name }) => name)],
  );
});

test("proxies have a section of their own", () => {
  const found = sections([
    part("agent"),
    part("proxy engine-egress"),
    part("proxy"),
    part("proxying"),
  ]);
  assert.deepEqual(
    found.map((section) => [section.title, section.parts.map(({ name }) => name)]),
    [
      ["", ["agent", "proxying"]],
      ["Proxy Status", ["proxy engine-egress", "proxy"]],
    ],
  );
});

test("an agent without services has no such section", () => {
  assert.equal(sections([part("agent")]).length, 1);
});
