// Writing to stdout: much at once, and no more than the reader takes.

export type Output = {
  /** Waits if the reader is behind. */
  write(text: string): Promise<void> | undefined;
  /** Writes what is left, and waits for the reader to have it. */
  end(): Promise<void>;
};

const chunkLength = 64 * 1024;

export function outputTo(
  stream: NodeJS.WritableStream & { readonly writableLength?: number },
): Output {
  let pending = "";
  let scheduled: NodeJS.Immediate | undefined;

  /** false: the reader is behind. */
  function flush(): boolean {
    clearImmediate(scheduled);
    scheduled = undefined;
    const text = pending;
    pending = "";
    return text === "" || stream.write(text);
  }

  return {
    write(text) {
      pending += text;
      // What came in one turn of the event loop goes out together.
      scheduled ??= setImmediate(flush);
      if (pending.length < chunkLength || flush()) return undefined;
      return new Promise((resolve) => stream.once("drain", resolve));
    },
    async end() {
      flush();
      // Not "drain", which only comes where `write` has answered false.
      if ((stream.writableLength ?? 0) > 0)
        await new Promise<void>((resolve) => stream.write("", () => resolve()));
    },
  };
}
