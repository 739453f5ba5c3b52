import assert from "node:assert/strict";
import { test } from "node:test";
import { createProgram } from "../program.ts";
import { commandArguments } from "./arguments.ts";
import { completions } from "./completion.ts";
import { newContext } from "./context.ts";

const context = newContext();
const program = createProgram(context);

test("command lines in Go's forms mean the same", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["observe --follow=true -n=shop -o=dict", "observe --follow -n shop -o dict"],
    ["observe --ip-translation=false --tls=0", "observe --no-ip-translation --no-tls"],
    ["observe --follow=false --not=true --pod=a=b", "observe --not --pod=a=b"],
    ["observe --ipv4=v4 -6=v6 -A=true", "observe --ipv4 -6 -A"],
    ["observe -l app=web --http-url=a=b", "observe -l app=web --http-url=a=b"],
    ["observe --unknown=true -- --follow=true", "observe --unknown=true -- --follow=true"],
  ];
  for (const [line, rewritten] of rows)
    assert.equal(commandArguments(program, line.split(" ")).join(" "), rewritten, line);
});

test("completion knows commands, flags and the values of flags", () => {
  const complete = (line: string) => completions(program, context, line.split(" "));
  assert.deepEqual(complete("ob"), ["observe"]);
  assert.deepEqual(complete("observe "), ["agent-events", "debug-events", "flows"]);
  assert.deepEqual(complete("list n"), ["namespaces", "nodes"]);
  assert.deepEqual(complete("observe --from-na"), ["--from-namespace"]);
  assert.deepEqual(complete("observe --verdict D"), ["DROPPED"]);
  assert.deepEqual(complete("observe flows --not --verdict=A"), ["--verdict=AUDIT"]);
  assert.deepEqual(complete("observe -t trace:to-s"), ["trace:to-stack"]);
  assert.deepEqual(complete("observe -o "), ["compact", "dict", "json", "jsonpb", "table"]);
  assert.deepEqual(complete("observe --color a"), ["auto", "always"]);
  assert.deepEqual(complete("observe --pod "), []);
  assert.deepEqual(complete("config get tls-s"), ["tls-server-name"]);
  assert.deepEqual(complete("completion "), ["bash", "zsh", "fish"]);
  assert.ok(!complete("observe --no").includes("--no-ip"), "hidden negations are not offered");
});

test("every command explains itself", () => {
  const all = (command = program): (typeof program)[] => [
    command,
    ...command.commands.flatMap(all),
  ];
  for (const command of all())
    assert.ok(command.description() !== "" || command.name() === "__complete", command.name());
});
