// Trees as the text of an expression that PCRE, and every other engine, reads in the same way: characters by name, and
// sets by the characters that they have, so that what is not of the alphabet never matches.
import { all, type CharacterSet, rangesOf } from "./alphabet.ts";
import type { Node } from "./node.ts";

export function write(node: Node): string {
  switch (node.kind) {
    case "empty":
    case "begin":
    case "end":
      return "";
    case "set":
      return writeSet(node.set);
    case "sequence":
      return node.items
        .map((item) => (item.kind === "choice" ? grouped(item) : write(item)))
        .join("");
    case "choice":
      return node.items.map(write).join("|");
    case "repeat":
      return `${node.item.kind === "set" ? write(node.item) : grouped(node.item)}${counts(node)}`;
  }
}

/** What a text of the alphabet alone is made of. */
export const anything = `${writeSet(all)}*`;

export function grouped(node: Node): string {
  return `(?:${write(node)})`;
}

function counts({ min, max }: Node & { readonly kind: "repeat" }): string {
  if (max === Infinity) return min === 0 ? "*" : min === 1 ? "+" : `{${min},}`;
  if (min === 0 && max === 1) return "?";
  return min === max ? `{${min}}` : `{${min},${max}}`;
}

function writeSet(set: CharacterSet): string {
  const ranges = rangesOf(set);
  const [only] = ranges;
  if (ranges.length === 1 && only && only[0] === only[1]) return literal(only[0]);
  const inside = ranges.map(([first, last]) => {
    if (first === last) return member(first);
    return last === first + 1
      ? `${member(first)}${member(last)}`
      : `${member(first)}-${member(last)}`;
  });
  return `[${inside.join("")}]`;
}

function literal(code: number): string {
  const character = String.fromCharCode(code);
  if (/[A-Za-z0-9/_\-=&%:,@~!]/.test(character)) return character;
  // Of what is left, only these mean anything to engines; others mean something to configuration files.
  return /[.*+?()[\]{}|^$]/.test(character) ? `\\${character}` : escaped(code);
}

function member(code: number): string {
  const character = String.fromCharCode(code);
  return /[A-Za-z0-9/_.!~]/.test(character) ? character : escaped(code);
}

function escaped(code: number): string {
  return `\\x${code.toString(16).padStart(2, "0")}`;
}
