// How protobuf's JSON treats a field: what is absent or zero is left out.
import type { DescEnum, JsonObject, JsonValue } from "@bufbuild/protobuf";

/** A JSON object in the making. */
export class JsonFields {
  readonly object: JsonObject = {};

  /** "" and 0 are absent. */
  scalar(name: string, value: string | number): this {
    if (value !== "" && value !== 0) this.object[name] = value;
    return this;
  }

  flag(name: string, value: boolean): this {
    if (value) this.object[name] = true;
    return this;
  }

  /** 64-bit numbers are text. */
  long(name: string, value: number | bigint): this {
    if (value !== 0 && value !== 0n) this.object[name] = String(value);
    return this;
  }

  enum(name: string, value: number, schema: DescEnum): this {
    if (value !== 0) this.object[name] = schema.value[value]?.name ?? value;
    return this;
  }

  list(name: string, values: readonly JsonValue[]): this {
    if (values.length > 0) this.object[name] = [...values];
    return this;
  }

  /** Also if it says nothing but that it is there. */
  value(name: string, value: JsonValue | undefined): this {
    if (value !== undefined) this.object[name] = value;
    return this;
  }
}
