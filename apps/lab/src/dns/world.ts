import type { LabLayout } from "../layout.ts";
export class WorldDns implements Disposable {
  static listen(_lab: LabLayout, _log: (m: string) => void): WorldDns {
    return new WorldDns();
  }
  [Symbol.dispose](): void {}
}
