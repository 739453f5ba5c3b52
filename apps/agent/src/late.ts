// A part that comes to be while the agent runs already: asked for too early it says what is being waited for.

export class Late<T> {
  readonly #waitingFor: () => string;
  readonly #promise = Promise.withResolvers<T>();
  #value: { readonly value: T } | undefined;

  constructor(waitingFor: () => string) {
    this.#waitingFor = waitingFor;
    this.#promise.promise.catch(() => undefined);
  }

  set(value: T): void {
    this.#value = { value };
    this.#promise.resolve(value);
  }

  /** The part, or undefined as long as there is none. */
  get current(): T | undefined {
    return this.#value?.value;
  }

  /** Resolves with the part once there is one. */
  get promise(): Promise<T> {
    return this.#promise.promise;
  }

  /** Why there is none yet. */
  get waitingFor(): string {
    return this.#waitingFor();
  }
}
