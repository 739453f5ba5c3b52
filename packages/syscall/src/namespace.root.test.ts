import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readlinkSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { mount, ownNetnsCookie, umount2, withNetns } from "./index.ts";

const name = `tsit-${process.pid}-ns`;
const path = `/var/run/netns/${name}`;
const second = `${path}-2`;
const current = () => readlinkSync("/proc/thread-self/ns/net");

before(() => {
  execFileSync("ip", ["netns", "add", name]);
  execFileSync("ip", ["netns", "add", `${name}-2`]);
});
after(() => {
  execFileSync("ip", ["netns", "delete", name]);
  execFileSync("ip", ["netns", "delete", `${name}-2`]);
});

describe("withNetns", () => {
  test("runs inside and comes back with the answer", () => {
    const home = current();
    const inside = withNetns(path, current);
    assert.notEqual(inside, home);
    assert.equal(current(), home);
  });

  test("comes back when the action throws", () => {
    const home = current();
    assert.throws(() => withNetns(path, () => assert.fail("inside")), /inside/);
    assert.equal(current(), home);
  });

  test("finds every namespace to have a cookie of its own, which stays", () => {
    const cookies = [path, second].map((target) => withNetns(target, ownNetnsCookie));
    assert.equal(new Set([...cookies, ownNetnsCookie()]).size, 3);
    assert.ok(cookies.every((cookie) => cookie !== 0n));
    assert.equal(withNetns(path, ownNetnsCookie), cookies[0]);
  });

  test("nests", () => {
    const home = current();
    withNetns(path, () => {
      const outer = current();
      withNetns(second, () => assert.notEqual(current(), outer));
      assert.equal(current(), outer);
    });
    assert.equal(current(), home);
  });

  test("refuses an asynchronous action, having come back", () => {
    const home = current();
    assert.throws(() => withNetns(path, async () => {}), TypeError);
    assert.equal(current(), home);
  });

  test("child processes start inside", () => {
    const links = withNetns(path, () => execFileSync("ip", ["-o", "link"], { encoding: "utf8" }));
    assert.equal(links.trim().split("\n").length, 1);
  });

  test("says which path is no network namespace", () => {
    assert.throws(() => withNetns("/no/such/ns", current), {
      code: "ENOENT",
      message: "open /no/such/ns: ENOENT",
    });
    assert.throws(() => withNetns("/proc/self/ns/uts", current), {
      code: "EINVAL",
      message: "setns /proc/self/ns/uts: EINVAL",
    });
  });
});

test("a mount appears and goes; unmounting twice is no error", () => {
  const target = mkdtempSync(join(tmpdir(), "tsit-mount-"));
  mount({ source: "tmpfs", target, type: "tmpfs", data: "size=64k" });
  assert.equal(umount2(target), true);
  assert.equal(umount2(target), false);
  rmdirSync(target);
  assert.throws(() => mount({ source: "x", target: "/no/such", type: "tmpfs" }), {
    code: "ENOENT",
    message: "mount /no/such: ENOENT",
  });
});
