// How messages are described: fields in the order they are on the wire, each with the versions that have it, in the
// words of Kafka's protocol guide. A description is plain data; decode.ts and encode.ts follow it.

/** "topic" and "topicId" are a string and a uuid that name a topic; "config" is the name of what its sibling `type` says. */
export type Scalar =
  | "bool"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uuid"
  | "string"
  | "bytes"
  | "topic"
  | "topicId"
  | "config";

/** A structure that may be absent: a byte says so. */
export type Optional = { readonly optional: Fields };

export type FieldType = Scalar | `[]${Scalar}` | Optional | Fields;

export type FieldOptions = {
  /** "3", "3+" or "3-5"; undefined: all. */
  readonly versions?: string;
  /** Versions in which it may be null. */
  readonly nullable?: string;
  /** Number of a tagged field. */
  readonly tag?: number;
  /** What is written when nothing else is said; otherwise zero, the empty string or list, null where that is possible. */
  readonly default?: number;
};

/** `type` as a list of fields: an array of such structures. */
export type Field = readonly [name: string, type: FieldType, options?: FieldOptions];
export type Fields = readonly Field[];

/** Whether "3+", "3-5" or "3" names this version. */
export function covers(versions: string | undefined, version: number): boolean {
  if (versions === undefined) return true;
  if (versions.endsWith("+")) return version >= Number(versions.slice(0, -1));
  const [first, last = first] = versions.split("-");
  return version >= Number(first) && version <= Number(last);
}

/** What one version of a message has, its strings looked at once. */
export type Layout = {
  readonly flexible: boolean;
  readonly fields: readonly LaidOut[];
  readonly tagged: ReadonlyMap<number, LaidOut>;
};

export type LaidOut = {
  readonly name: string;
  readonly kind: Scalar | "optional" | "structures";
  readonly isList: boolean;
  readonly isNullable: boolean;
  readonly default: number;
  /** Of "optional" and "structures". */
  readonly inner: Layout | undefined;
};

/** The layout of one version. */
export function layOut(fields: Fields, version: number, flexible: boolean): Layout {
  const present = fields.filter(([, , options]) => covers(options?.versions, version));
  const laidOut = (field: Field) => layOutField(field, version, flexible);
  const isTagged = ([, , options]: Field) => options?.tag !== undefined;
  return {
    flexible,
    fields: present.filter((field) => !isTagged(field)).map(laidOut),
    tagged: new Map(
      present.filter(isTagged).map((field) => [field[2]?.tag as number, laidOut(field)]),
    ),
  };
}

function layOutField([name, type, options]: Field, version: number, flexible: boolean): LaidOut {
  const common = {
    name,
    isNullable: options?.nullable !== undefined && covers(options.nullable, version),
    default: options?.default ?? 0,
  };
  if (typeof type === "string") {
    const isList = type.startsWith("[]");
    const kind = (isList ? type.slice(2) : type) as Scalar;
    return { ...common, kind, isList, inner: undefined };
  }
  if ("optional" in type) {
    const inner = layOut(type.optional, version, flexible);
    return { ...common, kind: "optional", isList: false, inner };
  }
  const inner = layOut(type, version, flexible);
  return { ...common, kind: "structures", isList: true, inner };
}
