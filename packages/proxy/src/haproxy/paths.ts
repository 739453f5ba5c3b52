// Where the files of one direction's HAProxy are. Only root writes to its folder, but for what its user's process makes
// itself: sockets, in a folder of that user alone.
//
//   <run-dir>/proxy/haproxy-egress/               root, 0711
//     haproxy-HASH.cfg, headers.lua, maps/PORT    read by the engine when it starts; no secrets
//     placeholder.pem                             the engine's user, 0600
//     access.fifo                                 root, 0600: handed on as a descriptor
//     run/                                        the engine's user, 0700: runtime socket, sockets of TLS slots
//   <run-dir>/proxy/haproxy-egress.pid, .log
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Direction } from "@tsilium/policy/model.ts";
import { engineFolder, proxyFolder, type ProxyUser } from "../launch/index.ts";

export type Paths = {
  readonly folder: string;
  readonly runtimeSocket: string;
  /** Socket of a TLS slot. */
  readonly slotSocket: (slot: string) => string;
  /** A map, named by its file. */
  readonly map: (name: string) => string;
  readonly maps: string;
  readonly script: string;
  readonly placeholder: string;
  readonly accessLog: string;
  readonly pidFile: string;
  readonly logFile: string;
};

/** Paths of a direction's engine; folders are made. */
export function pathsOf(runDir: string, direction: Direction, user?: ProxyUser): Paths {
  const name = `haproxy-${direction}`;
  const base = join(proxyFolder(runDir), name);
  const maps = join(base, "maps");
  mkdirSync(maps, { recursive: true, mode: 0o711 });
  const sockets = engineFolder(base, "run", user);
  return {
    folder: base,
    runtimeSocket: join(sockets, "runtime.sock"),
    slotSocket: (slot) => join(sockets, `${slot}.sock`),
    map: (map) => join(maps, map),
    maps,
    script: join(base, "headers.lua"),
    placeholder: join(base, "placeholder.pem"),
    accessLog: join(base, "access.fifo"),
    pidFile: `${base}.pid`,
    logFile: `${base}.log`,
  };
}
