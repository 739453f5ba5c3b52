// Test files: found by name in a folder, read, and refused with the path of what is wrong in them.
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Address } from "@tsilium/net";
import { Ajv, type ErrorObject } from "ajv";
import { load } from "js-yaml";
import { TestError } from "../error.ts";
import { parsePort } from "../port.ts";
import { type HttpText, parseRequest, requestKinds, type RequestText } from "../l7/request.ts";
import { type OneOrMore, type TestCase, type TestFile, testFileSchema } from "./schema.ts";

const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile<TestFile>(
  testFileSchema,
);

/** Paths of all test files under a folder, sorted; or the one file. @throws TestError file_invalid when there is none */
export function findTestFiles(path: string): string[] {
  if (!existsSync(path)) throw new TestError("file_invalid", `${path} does not exist`);
  if (statSync(path).isFile()) return [path];
  const found = globSync("**/*.test.{yaml,yml}", {
    cwd: path,
    exclude: (name) => name === "node_modules",
  });
  if (found.length > 0) return found.toSorted().map((name) => join(path, name));
  throw new TestError("file_invalid", `no file in ${path} is called *.test.yaml`);
}

/** @throws TestError file_invalid, a line for each fault */
export function loadTestFile(path: string): TestFile {
  return parseTestFile(readFileSync(path, "utf8"), path);
}

/** @param source what faults are said to be in */
export function parseTestFile(text: string, source: string): TestFile {
  let data: unknown;
  try {
    data = load(text);
  } catch (cause) {
    const message = `${source}: ${(cause as Error).message}`;
    throw new TestError("file_invalid", message, { cause });
  }
  const problems = validate(data) ? faults(data) : (validate.errors ?? []).flatMap(problemOf);
  if (problems.length === 0) return data as TestFile;
  const lines = [...new Set(problems)].map((problem) => `${source}: ${problem}`);
  throw new TestError("file_invalid", lines.join("\n"));
}

/** What a schema cannot say. */
function faults(file: TestFile): string[] {
  const worlds = Object.entries(file.world ?? {}).flatMap(([name, address]) =>
    Address.tryParse(address) ? [] : [`world.${name}: "${address}" is no address`],
  );
  const pods = Object.entries(file.pods ?? {}).flatMap(([name, description]) =>
    Object.entries(description?.ports ?? {}).flatMap(([port, value]) =>
      portFault(`pods.${name}.ports.${port}`, value),
    ),
  );
  const ports = file.tests.flatMap(({ port }, at) =>
    listOf(port).flatMap((one) => portFault(`tests[${at}].port`, one)),
  );
  const requests = file.tests.flatMap((test, at) => requestFaults(`tests[${at}]`, test));
  return [...worlds, ...pods, ...ports, ...requests];
}

function portFault(path: string, port: number | string): string[] {
  try {
    parsePort(port);
    return [];
  } catch (error) {
    if (!(error instanceof TestError)) throw error;
    return [`${path}: ${error.message}`];
  }
}

/** Requests of one kind, each by itself; one that is none, of a test without. */
export function requestsOf(test: TestCase): readonly RequestText[] {
  const requests = requestKinds.flatMap((kind): RequestText[] =>
    test[kind] === undefined
      ? []
      : listOf<string | HttpText>(test[kind]).map((one) => ({ [kind]: one })),
  );
  return requests.length === 0 ? [{}] : requests;
}

function requestFaults(path: string, test: TestCase): string[] {
  const kinds = requestKinds.filter((kind) => test[kind] !== undefined);
  if (kinds.length > 1) return [`${path}: ${kinds.join(" and ")}: a test asks for one kind`];
  return requestsOf(test).flatMap((request) => {
    try {
      parseRequest(request);
      return [];
    } catch (error) {
      if (!(error instanceof TestError)) throw error;
      return [`${path}.${kinds[0]}: ${error.message}`];
    }
  });
}

export function listOf<T extends string | number | object>(value: OneOrMore<T>): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

/** "tests[2].expect: must be one of allow, deny, audit" */
function problemOf({ instancePath, keyword, params, message = "" }: ErrorObject): string[] {
  // The branch that failed says it better than the condition.
  if (keyword === "if" || keyword === "propertyNames") return [];
  const path = instancePath
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${step}`))
    .join("")
    .replace(/^\./, "");
  return [`${path === "" ? "the file" : path}: ${reason(keyword, params, message)}`];
}

function reason(keyword: string, params: Record<string, unknown>, message: string): string {
  if (keyword === "additionalProperties")
    return `unknown field "${String(params["additionalProperty"])}"`;
  if (keyword === "required") return `"${String(params["missingProperty"])}" is missing`;
  if (keyword === "enum")
    return `must be one of ${(params["allowedValues"] as readonly string[]).join(", ")}`;
  return message;
}
