// Waiting for a descriptor on Node's own event loop: no thread, no timer. For descriptors that Node has no
// type for (netlink, packet sockets).
import koffi from "koffi";
import { close, dup } from "./file.ts";

/**
 * Calls `onReadable` whenever `fd` has something to read (or is broken: reading then tells), until disposed of.
 * Level-triggered: a callback that does not read everything is called again. Keeps the process alive.
 */
export function watchReadable(fd: number, onReadable: () => void): Disposable {
  // A descriptor of our own: two polls on one descriptor end the process, and the caller may close its own.
  const own = dup(fd);
  const handle = koffi.node.poll(own, { readable: true }, onReadable);
  let watching = true;
  return {
    [Symbol.dispose]() {
      if (!watching) return;
      watching = false;
      // In this order, once each: anything else ends the process (koffi 3).
      handle.stop();
      handle.close();
      close(own);
    },
  };
}
