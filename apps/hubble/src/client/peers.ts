// What `hubble watch peers` asks.
import { Peer } from "@tsilium/hubble/gen/peer/peer_pb.ts";
import { createClient } from "@tsilium/hubble/grpc/index.ts";
import type { Context } from "../commands/context.ts";
import { peerLine } from "../print/peers.ts";
import { askServer } from "./connect.ts";
import { interruption } from "./interrupt.ts";

/** Until Ctrl-C, or the server ends it. */
export async function watchPeers(context: Context): Promise<void> {
  const signal = interruption();
  await askServer(context, async ({ grpc }) => {
    try {
      // No deadline: it goes on for as long as one looks.
      const changes = createClient(Peer, grpc.transport).notify({}, { signal, timeoutMs: 0 });
      for await (const change of changes) process.stdout.write(peerLine(change));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  });
}
