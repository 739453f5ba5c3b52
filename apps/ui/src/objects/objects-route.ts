// Tables of objects to the page: everything there is, then what changes. For a browser that is slow only the newest
// state of each object waits.
import { RequestError, type StreamRoute } from "../http/server.ts";
import type { LineWriter } from "../http/lines.ts";
import type { ObjectRow } from "../shared/stream.ts";
import {
  type Collection,
  type CollectionName,
  collectionNames,
  type Collections,
} from "./collections.ts";

const flushMs = 100;
const rowsPerLine = 500;

/** "objects": `kind` says which. */
export function objectsRoute(collections: Collections | undefined): StreamRoute {
  return async (parameters, writer) => {
    const kind = collectionNames.find((name) => name === parameters.get("kind"));
    if (!kind) throw new RequestError(400, "kind: which objects?");
    await tell(collectionOf(collections, kind), writer);
  };
}

function collectionOf(collections: Collections | undefined, kind: CollectionName): Collection {
  if (!collections)
    throw new RequestError(
      404,
      "This server was started without an API server: give it --kubeconfig.",
    );
  return collections.get(kind);
}

async function tell(collection: Collection, writer: LineWriter): Promise<void> {
  const upserts = new Map<string, ObjectRow>(collection.rows);
  const removes = new Set<string>();
  let toldSynced = false;
  let toldError = "";
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    timer = undefined;
    while (writer.canWrite && upserts.size + removes.size > 0) {
      const upsert = [...upserts.values()].slice(0, rowsPerLine);
      const remove = [...removes];
      writer.write({ kind: "objects", upsert, remove });
      for (const { key } of upsert) upserts.delete(key);
      removes.clear();
    }
    if (upserts.size > 0) schedule();
    else if (writer.canWrite) tellState();
  };
  const tellState = () => {
    const { isSynced, error } = collection;
    if (isSynced === toldSynced && error === toldError) return;
    writer.write({ kind: "objects", ...(isSynced && !toldSynced ? { synced: true } : {}), error });
    toldSynced = isSynced;
    toldError = error;
  };
  const schedule = () => {
    timer ??= setTimeout(flush, flushMs);
  };
  const stop = collection.subscribe((change) => {
    if (change !== "state" && change.kind === "upsert") {
      removes.delete(change.row.key);
      upserts.set(change.row.key, change.row);
    } else if (change !== "state") {
      upserts.delete(change.key);
      removes.add(change.key);
    }
    schedule();
  });
  flush();
  await new Promise<void>((resolve) => {
    if (writer.signal.aborted) resolve();
    else writer.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  stop();
  clearTimeout(timer);
}
