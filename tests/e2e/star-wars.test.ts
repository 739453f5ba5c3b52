// The page docs/examples/star-wars/README.md, pasted block by block as a reader would: what stands below the commands is
// what they print, and the YAML that it shows is the files that it applies.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root, run } from "./harness.ts";

const folder = join(root, "docs/examples/star-wars");
const page = readFileSync(join(folder, "README.md"), "utf8");

/** One fenced block: its language, its text, and what the page says before it. */
type Block = { readonly language: string; readonly text: string; readonly before: string };

const blocks: readonly Block[] = [...page.matchAll(/([^`]*)```(\w+)\n(.*?)```/gs)].map(
  ([, before = "", language = "", text = ""]) => ({ language, text, before }),
);

test("the policies that the page shows are the files that it applies", () => {
  const shown = page.matchAll(/^\[(\S+\.yaml)\]\(\1\)(?:(?!```).)*?```yaml\n(.*?)```/gms);
  const files = [...shown].map(([, name = "", text]) => {
    assert.equal(text, readFileSync(join(folder, name), "utf8"), name);
    return name;
  });
  assert.deepEqual(files, ["l4.yaml", "l7.yaml", "dns.yaml", "dns-pattern.yaml"]);
  assert.equal(blocks.filter(({ language }) => language === "yaml").length, files.length);
});

test("what the page says is what a lab does", { timeout: 180_000 }, async () => {
  const name = `t${process.pid}galaxy`;
  // A block is a paste into one shell: what it sets and where it goes hold for the next.
  let state = "";
  const paste = async (commands: string) => {
    const mark = "--- state of the shell ---";
    const script = `${state}\n${commands.replace("TSILIUM_LAB=galaxy", `TSILIUM_LAB=${name}`)}
      echo '${mark}'; printf 'cd %q\\nexport PATH=%q TSILIUM_LAB=%q\\n' "$PWD" "$PATH" "$TSILIUM_LAB"`;
    // With all that it started: a request that nobody answers would wait for minutes.
    const { stdout } = await run("timeout", ["60", "bash", "-c", `{ ${script}\n} 2>&1`]);
    const [printed = "", after = ""] = stdout.split(`${mark}\n`);
    state = after;
    return printed;
  };
  try {
    for (const [index, { language, text }] of blocks.entries()) {
      if (language !== "sh") continue;
      const printed = await paste(text);
      const next = blocks[index + 1];
      if (next?.language === "text") assertPrints(text, printed.replaceAll("\r", ""), next.text);
    }
  } finally {
    await run(join(root, "tsilium"), ["lab", "down", "--name", name]);
  }
});

/** `...` is anything within a line; alone on one, any lines. */
function assertPrints(commands: string, printed: string, expected: string): void {
  const pattern = expected
    .split("\n")
    .map((line) =>
      line === "..."
        ? "(?:.*\\n)*?"
        : `${line
            .trimEnd()
            .split("...")
            .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&").replaceAll(/ +/g, " +"))
            .join(".*?")} *\n`,
    )
    .join("")
    .replace(/ \*\n$/, "");
  assert.match(printed, new RegExp(`^${pattern}$`), `$ ${commands}\nprinted:\n${printed}`);
}
