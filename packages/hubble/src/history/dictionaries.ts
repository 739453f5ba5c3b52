// All dictionaries of a block, as they are written and as they are read.
import type { FlowEndpoint, FlowPolicy, FlowService, Layer7 } from "../model.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { PartTable, StringTable, Texts } from "./dictionary.ts";
import { corrupt } from "./errors.ts";
import { layer7Of, parseJson, policiesOf, serviceOf, textsOf } from "./json.ts";

/** Of the block that is being made. */
export class Dictionaries {
  readonly strings = new StringTable();
  readonly lists = new PartTable();
  readonly services = new PartTable();
  readonly policies = new PartTable();
  readonly layer7 = new PartTable();
  readonly #endpoints = new Map<FlowEndpoint, number>();

  endpoint(endpoint: FlowEndpoint): number {
    const known = this.#endpoints.get(endpoint);
    if (known !== undefined) return known;
    const number = this.#endpoints.size;
    this.#endpoints.set(endpoint, number);
    return number;
  }

  /** By their numbers. */
  endpoints(): FlowEndpoint[] {
    return [...this.#endpoints.keys()];
  }

  /** UTF-16 units of text in it, without the endpoints' own. */
  get size(): number {
    const { strings, lists, services, policies, layer7 } = this;
    return strings.size + lists.size + services.size + policies.size + layer7.size;
  }

  write(out: ByteWriter): void {
    this.strings.write(out);
    this.lists.write(out);
    this.services.write(out);
    this.policies.write(out);
    this.layer7.write(out);
  }

  clear(): void {
    this.strings.clear();
    this.lists.clear();
    this.services.clear();
    this.policies.clear();
    this.layer7.clear();
    this.#endpoints.clear();
  }
}

/** Of a block that is read. Numbers that it does not have are corrupt. */
export class StoredDictionaries {
  readonly strings: Texts;
  readonly lists: StoredParts<readonly string[]>;
  readonly services: StoredParts<FlowService>;
  readonly policies: StoredParts<readonly FlowPolicy[]>;
  readonly layer7: StoredParts<Layer7>;
  readonly #endpoints: readonly FlowEndpoint[];

  /** @throws HistoryError corrupt */
  constructor(from: ByteReader, endpoints: readonly FlowEndpoint[]) {
    this.#endpoints = endpoints;
    this.strings = new Texts(from);
    this.lists = new StoredParts(from, textsOf);
    this.services = new StoredParts(from, serviceOf);
    this.policies = new StoredParts(from, policiesOf);
    this.layer7 = new StoredParts(from, layer7Of);
  }

  /** @throws HistoryError corrupt */
  endpoint(number: number): FlowEndpoint {
    const endpoint = this.#endpoints[number];
    if (endpoint === undefined) throw corrupt(`endpoint ${number}`);
    return endpoint;
  }
}

/** Each is parsed once, so that flows of a block share it. */
class StoredParts<T> {
  readonly #texts: Texts;
  readonly #parse: (value: unknown) => T;
  readonly #parsed: (T | undefined)[] = [];

  constructor(from: ByteReader, parse: (value: unknown) => T) {
    this.#texts = new Texts(from);
    this.#parse = parse;
  }

  /** undefined for 0. @throws HistoryError corrupt */
  get(number: number): T | undefined {
    if (number === 0) return undefined;
    return (this.#parsed[number] ??= this.#parse(parseJson(this.#texts.get(number))));
  }
}
