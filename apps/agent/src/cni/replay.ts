// A queued DEL, carried out as if the plugin had just posted it.
import { CniError, cniCode, decodeRequest } from "@tsilium/endpoint";
import type { Logger } from "@tsilium/runtime";
import type { CniCommands } from "./service.ts";

/** Carries out a queued body. One that can never be carried out is logged and counts as done. */
export async function replayDelete(
  commands: Pick<CniCommands, "delete">,
  body: Uint8Array,
  log: Logger,
): Promise<void> {
  try {
    const request = decodeRequest(body);
    if (request.command === "DEL") await commands.delete(request);
    else throw new CniError(cniCode.undecodable, `a queued ${request.command}`);
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    log.error({ error }, "a queued DEL makes no sense and is dropped");
  }
}
