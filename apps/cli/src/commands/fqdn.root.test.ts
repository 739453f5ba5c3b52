// The commands as they are typed, against the agent's routes on a socket.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder, TestNames, turns } from "../../../agent/src/fqdn/testing/names.ts";
import { fqdnViews } from "../../../agent/src/fqdn/views.ts";
import { Late } from "../../../agent/src/late.ts";
import { fqdnRoutes } from "../../../agent/src/rest/fqdn-routes.ts";
import type { NodeParts, RoutesOptions } from "../../../agent/src/rest/parts.ts";
import { ApiServer } from "../../../agent/src/rest/server.ts";
import type { DnsLookupView } from "../api.ts";

/** Nobody is there to answer questions. */
function tsilium(socket: string, ...words: string[]) {
  const main = join(import.meta.dirname, "../main.ts");
  return new Promise<{ status: number; out: string; err: string }>((resolve) => {
    const args = [main, "--socket", socket, "fqdn", ...words];
    execFile(process.execPath, args, (error, out, err) =>
      resolve({ status: Number(error?.code ?? 0), out, err }),
    );
  });
}

test("names are listed and forgotten; forgetting wants a yes", async () => {
  using folder = temporaryFolder();
  using names = new TestNames();
  names.engine.setSelectors([{ matchPattern: "*.test" }]);
  names.answer("a.test", ["203.0.113.1"]);
  names.answer("b.test", ["203.0.113.2"], { client: "10.244.0.2" });
  await turns();
  const parts = new Late<NodeParts>(() => "nothing");
  parts.set({
    fqdn: fqdnViews(names),
  } as Partial<NodeParts> as NodeParts);
  await using server = new ApiServer({ routes: fqdnRoutes({ parts } as RoutesOptions) });
  const socket = join(folder.path, "api.sock");
  await server.listen(socket);

  const { out } = await tsilium(socket, "cache", "list", "-e", "2", "-p", "*.test", "-o", "json");
  assert.deepEqual(
    (JSON.parse(out) as DnsLookupView[]).map(({ fqdn, ips }) => `${fqdn} ${ips.join()}`),
    ["b.test. 203.0.113.2"],
  );
  assert.match((await tsilium(socket, "names")).out, /MatchPattern: \*\.test .* 2\n/);
  const unasked = await tsilium(socket, "cache", "clean");
  assert.equal(unasked.status, 1);
  assert.match(unasked.err, /nothing was forgotten/);
  assert.equal(names.book.size, 2);
  const cleaned = await tsilium(socket, "cache", "clean", "-f", "-p", "A.test");
  assert.equal(cleaned.out, "1 entry forgotten\n");
  assert.deepEqual(names.claims(), ["203.0.113.2 fqdn:*.test,reserved:world-ipv4"]);
});
