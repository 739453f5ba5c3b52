// The types of a structural schema's values, declared to CEL: what is not in the schema cannot be said in a rule.
import type { Environment } from "@marcbachmann/cel-js";
import { isRecord } from "../../objects/json.ts";
import { isIntOrString, type Schema } from "../structural.ts";
import { escapeName } from "./values.ts";

const timestamp = "google.protobuf.Timestamp";
const duration = "google.protobuf.Duration";

const ofFormat: Readonly<Record<string, string>> = {
  "date-time": timestamp,
  date: timestamp,
  byte: "bytes",
  duration,
};

/** Declares a schema's types in an environment, which is then for checking only: values are given without types. */
export class Types {
  readonly #environment: Environment;
  #count = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** The name of the type of a schema's values. @param root the object itself */
  typeOf(schema: Schema, root = false): string {
    if (isIntOrString(schema) || schema["nullable"] === true) return "dyn";
    switch (schema["type"]) {
      case "integer":
        return "int";
      case "number":
        return "double";
      case "boolean":
        return "bool";
      case "string":
        return ofFormat[String(schema["format"])] ?? "string";
      case "array":
        return `list<${isRecord(schema["items"]) ? this.typeOf(schema["items"]) : "dyn"}>`;
      case "object":
        return this.#objectType(schema, root);
      default:
        return "dyn";
    }
  }

  #objectType(schema: Schema, root: boolean): string {
    const { properties, additionalProperties } = schema;
    if (isRecord(additionalProperties)) return `map<string, ${this.typeOf(additionalProperties)}>`;
    const fields: Record<string, string> = {};
    for (const [name, part] of Object.entries(isRecord(properties) ? properties : {})) {
      const said = escapeName(name);
      if (said !== undefined) fields[said] = this.typeOf(part as Schema);
    }
    if (root || schema["x-kubernetes-embedded-resource"] === true) {
      fields["apiVersion"] = "string";
      fields["kind"] = "string";
      fields["metadata"] = this.#declare({ name: "string", generateName: "string" });
    }
    return this.#declare(fields);
  }

  #declare(fields: Record<string, string>): string {
    const name = `Object${this.#count++}`;
    this.#environment.registerType(name, { ctor: class {}, fields });
    for (const operator of ["==", "!="])
      if (operator === "==") this.#environment.registerOperator(`${name} == ${name}`, neverRun);
    return name;
  }
}

/** Checks only ask for the operator to be there. */
function neverRun(): boolean {
  throw new Error("an environment for checks evaluates nothing");
}
