// Requests written by hand, byte by byte: nothing here knows the descriptions that the parser follows.

export const int8 = (value: number): Buffer => Buffer.from([value & 0xff]);

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 127; left >>>= 7) bytes.push((left & 127) | 128);
  return Buffer.from([...bytes, left]);
}

export const all = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);
export const noTags = varint(0);

/** Of versions that are not flexible: two bytes of length; -1 is null. */
export const string = (text: string | null): Buffer =>
  text === null ? int16(-1) : all(int16(Buffer.byteLength(text)), Buffer.from(text));
/** Of flexible versions: the length plus one; 0 is null. */
export const compact = (text: string | null): Buffer =>
  text === null ? varint(0) : all(varint(Buffer.byteLength(text) + 1), Buffer.from(text));
export const array = (...items: readonly Buffer[]): Buffer => all(int32(items.length), ...items);
export const compactArray = (...items: readonly Buffer[]): Buffer =>
  all(varint(items.length + 1), ...items);
export const bytes = (content: Buffer): Buffer => all(int32(content.length), content);
export const compactBytes = (content: Buffer): Buffer => all(varint(content.length + 1), content);
/** An id that ends in this digit. */
export const uuid = (digit: number): Buffer => Buffer.from(idText(digit), "hex");
export const idText = (digit: number): string => `${"0".repeat(12)}4${"0".repeat(18)}${digit}`;

export type HeaderFields = {
  readonly correlationId?: number;
  readonly clientId?: string | null;
};

/** A request without its length, header version 1. */
export function request(
  [apiKey, apiVersion]: readonly [number, number],
  body: Buffer,
  { correlationId = 7, clientId = "me" }: HeaderFields = {},
): Buffer {
  return all(int16(apiKey), int16(apiVersion), int32(correlationId), string(clientId), body);
}

/** Header version 2. */
export function flexible(
  api: readonly [number, number],
  body: Buffer,
  fields: HeaderFields = {},
): Buffer {
  return request(api, all(noTags, body), fields);
}

/** With its length in front, as it is sent. */
export const framed = (message: Buffer): Buffer => all(int32(message.length), message);

/** Fetch of version 12, of a session; a partition of each topic. */
export function fetch12(
  topics: readonly string[],
  session: { readonly id: number; readonly epoch: number },
  fields: HeaderFields = {},
): Buffer {
  const partition = all(int32(0), int32(-1), int64(0), int32(-1), int64(-1), int32(1024), noTags);
  const named = topics.map((name) => all(compact(name), compactArray(partition), noTags));
  const body = all(
    int32(-1),
    int32(100),
    int32(1),
    int32(1024),
    int8(0),
    int32(session.id),
    int32(session.epoch),
    compactArray(...named),
    compactArray(),
    compact(""),
    noTags,
  );
  return flexible([1, 12], body, fields);
}

/** Fetch of version 13: topics by the last digit of their id. */
export function fetch13(ids: readonly number[], fields: HeaderFields = {}): Buffer {
  const partition = all(int32(0), int32(-1), int64(0), int32(-1), int64(-1), int32(1024), noTags);
  const named = ids.map((digit) => all(uuid(digit), compactArray(partition), noTags));
  const body = all(
    int32(-1),
    int32(100),
    int32(1),
    int32(1024),
    int8(0),
    int32(0),
    int32(-1),
    compactArray(...named),
    compactArray(),
    compact(""),
    noTags,
  );
  return flexible([1, 13], body, fields);
}

/** Produce of version 9: records of a length for each topic. */
export function produce9(
  topics: readonly (readonly [name: string, length: number])[],
  { acks = 1, ...fields }: HeaderFields & { readonly acks?: number } = {},
): Buffer {
  const named = topics.map(([name, length]) =>
    all(
      compact(name),
      compactArray(all(int32(0), compactBytes(Buffer.alloc(length, 0x5a)), noTags)),
      noTags,
    ),
  );
  const body = all(compact(null), int16(acks), int32(1000), compactArray(...named), noTags);
  return flexible([0, 9], body, fields);
}

/** Metadata of version 12: by name, or by the last digit of an id; null: all. */
export function metadata12(
  topics: readonly (string | number)[] | null,
  fields: HeaderFields = {},
): Buffer {
  const named = topics?.map((topic) =>
    typeof topic === "string"
      ? all(Buffer.alloc(16), compact(topic), noTags)
      : all(uuid(topic), compact(null), noTags),
  );
  const list = named ? compactArray(...named) : varint(0);
  return flexible([3, 12], all(list, int8(1), int8(0), noTags), fields);
}
