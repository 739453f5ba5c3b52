// Link addresses as text, written once each.

/** Beyond it they are written anew. */
const capacity = 16_384;

export class MacTexts {
  readonly #texts = new Map<number, string>();

  /** "aa:bb:cc:dd:ee:ff" of a 48-bit number. */
  of(mac: number): string {
    const known = this.#texts.get(mac);
    if (known !== undefined) return known;
    const digits = mac.toString(16).padStart(12, "0");
    const text = digits.replaceAll(/..(?!$)/g, "$&:");
    if (this.#texts.size >= capacity) this.#texts.clear();
    this.#texts.set(mac, text);
    return text;
  }
}
