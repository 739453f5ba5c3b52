// Where things stand in a YAML text: lines by the path of a field, as the causes of API servers name them. Pure.
import { EVENT_ID, getScalarValue, parseEvents } from "js-yaml";

type Event = ReturnType<typeof parseEvents>[number];

/** A value: the line where it begins (its key's, if it has one), and the values within by key or index. */
type Place = { readonly line: number; readonly children: ReadonlyMap<string, Place> };

export class Lines {
  readonly #root: Place;

  private constructor(root: Place) {
    this.#root = root;
  }

  /** One for each document of the text. */
  static ofDocuments(text: string, events: readonly Event[]): Lines[] {
    const walk = new Walk(text, events);
    const found: Lines[] = [];
    while (walk.next?.type === EVENT_ID.DOCUMENT) found.push(new Lines(walk.document()));
    return found;
  }

  /** The line of "spec.ingress[0].toPorts", or of the innermost value around it that is there. */
  of(path: string): number {
    let place = this.#root;
    for (const [, name, bracketed] of path.matchAll(/([^.[\]]+)|\[([^\]]*)\]/g)) {
      const child = place.children.get(name ?? bracketed ?? "");
      if (!child) break;
      place = child;
    }
    return place.line;
  }

  /** Those of a value within: an item of a List. */
  within(...keys: readonly string[]): Lines {
    let place: Place | undefined = this.#root;
    for (const key of keys) place = place?.children.get(key);
    return new Lines(place ?? this.#root);
  }
}

/** Goes through the events of a text once, in order. */
class Walk {
  readonly #text: string;
  readonly #events: readonly Event[];
  #at = 0;
  #line = 1;
  #offset = 0;

  constructor(text: string, events: readonly Event[]) {
    this.#text = text;
    this.#events = events;
  }

  get next(): Event | undefined {
    return this.#events[this.#at];
  }

  document(): Place {
    this.#at++;
    let root: Place | undefined;
    while (this.#inside()) root = this.#value();
    return root ?? { line: this.#line, children: new Map() };
  }

  /** Whether the collection that was entered goes on; its end is passed. */
  #inside(): boolean {
    const inside = this.next !== undefined && this.next.type !== EVENT_ID.POP;
    if (!inside) this.#at++;
    return inside;
  }

  /** @param keyLine the line of its key, where it has one */
  #value(keyLine?: number): Place {
    const event = this.next as Event;
    const line = keyLine ?? this.#lineOf(event);
    const children = new Map<string, Place>();
    this.#at++;
    if (event.type === EVENT_ID.SEQUENCE)
      while (this.#inside()) children.set(String(children.size), this.#value());
    if (event.type === EVENT_ID.MAPPING)
      while (this.#inside()) {
        const key = this.next as Event;
        const place = this.#value();
        const name = key.type === EVENT_ID.SCALAR ? getScalarValue(this.#text, key) : "";
        children.set(name, this.#value(place.line));
      }
    return { line, children };
  }

  /** Events come in the order of the text, so that its line ends are counted once. */
  #lineOf(event: Event): number {
    const offset = offsetOf(event);
    for (; this.#offset < offset; this.#offset++)
      if (this.#text[this.#offset] === "\n") this.#line++;
    return this.#line;
  }
}

/** -1 for what is not written, as an empty value. */
function offsetOf(event: Event): number {
  switch (event.type) {
    case EVENT_ID.SEQUENCE:
    case EVENT_ID.MAPPING:
      return event.start;
    case EVENT_ID.SCALAR:
      return event.valueStart;
    case EVENT_ID.ALIAS:
      return event.anchorStart;
    default:
      return -1;
  }
}
