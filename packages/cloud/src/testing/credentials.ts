// A credentials file for tests.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Account } from "./signature.ts";

/** Disposing removes it. */
export function writeCredentials(account: Account): Disposable & { readonly file: string } {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-aws-"));
  const file = join(folder, "credentials");
  const { accessKeyId, secretAccessKey } = account;
  const lines = [
    "[default]",
    `aws_access_key_id = ${accessKeyId}`,
    `aws_secret_access_key = ${secretAccessKey}`,
  ];
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  return { file, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
