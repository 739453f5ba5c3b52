// Asks the layout's thread. Only the newest question counts: while one is open, those in between are left out.
import type { LayoutAnswer, LayoutRequest } from "./worker.ts";
import type { LayoutInput, LayoutResult } from "./map-layout.ts";

export class LayoutClient implements Disposable {
  readonly #worker: Worker;
  readonly #onResult: (result: LayoutResult) => void;
  #open = 0;
  #next: LayoutRequest | undefined;
  #id = 0;

  constructor(onResult: (result: LayoutResult) => void) {
    this.#onResult = onResult;
    this.#worker = new Worker(workerUrl(), { type: "module" });
    this.#worker.addEventListener("message", (event: MessageEvent<LayoutAnswer>) =>
      this.#answered(event.data),
    );
  }

  ask(input: LayoutInput, how: "keep" | "anew"): void {
    const anew = how === "anew" || this.#next?.anew === true;
    this.#next = { id: ++this.#id, input, anew };
    if (this.#open === 0) this.#send();
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }

  #send(): void {
    if (!this.#next) return;
    this.#open = this.#next.id;
    this.#worker.postMessage(this.#next);
    this.#next = undefined;
  }

  #answered({ id, result }: LayoutAnswer): void {
    if (id !== this.#open) return;
    this.#open = 0;
    this.#onResult(result);
    this.#send();
  }
}

type TrustedTypes = {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): string };
};

let policy: { createScriptURL(url: string): string } | undefined;

/** The page's head names the file. It is the only script that the page may start by name (see CSP, trusted types). */
function workerUrl(): string {
  const meta = document.querySelector<HTMLMetaElement>("meta[name=layout-worker]");
  const url = new URL(meta?.content ?? "", location.origin);
  if (url.origin !== location.origin) throw new Error("the layout's script is of another origin");
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  policy ??= trustedTypes?.createPolicy("tsilium", { createScriptURL: (text) => text });
  return policy ? policy.createScriptURL(url.href) : url.href;
}
