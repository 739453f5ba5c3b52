// Asking a server: which one, how, and what to say when it does not answer.
import { connectTo, type GrpcClient } from "@tsilium/hubble/grpc/index.ts";
import { CommandError } from "../../../cli/src/failure.ts";
import type { Context } from "../commands/context.ts";
import { readSettings, type Settings } from "../config/settings.ts";
import { debug } from "../print/notes.ts";
import { callFailure } from "./failure.ts";
import { serverAddress } from "./server-address.ts";
import { clientTls } from "./tls.ts";

export type Server = {
  /** For people. */
  readonly address: string;
  readonly grpc: GrpcClient;
};

/**
 * Connects to the server that flags and configuration name, and asks it. The connection is left to the end of the process,
 * which closes it faster than anything else. @throws CommandError
 */
export async function askServer<T>(
  { flags }: Context,
  ask: (server: Server) => Promise<T>,
): Promise<T> {
  const settings = await readSettings(flags, process.env);
  const address = serverAddress(settings, process.env);
  debug(settings, `asking ${address}`);
  const grpc = connectionTo(address, settings);
  try {
    return await ask({ address, grpc });
  } catch (error) {
    throw callFailure(error, address);
  }
}

function connectionTo(address: string, settings: Settings): GrpcClient {
  const tls = clientTls(settings, address);
  try {
    return connectTo(address, {
      dialTimeoutMs: settings.milliseconds("timeout"),
      callTimeoutMs: settings.milliseconds("request-timeout"),
      ...(tls === undefined ? {} : { tls }),
    });
  } catch (cause) {
    throw new CommandError(
      (cause as Error).message,
      "Write unix:///PATH, HOST:PORT or tls://HOST:PORT.",
      { cause },
    );
  }
}
