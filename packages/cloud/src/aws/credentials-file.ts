// A file of AWS's credentials format, as a mounted Secret has it. Read again at times, so that new keys need no restart.
import { readFile } from "node:fs/promises";

export type AwsCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration: Date;
};

/** How long keys are used before the file is looked at again, milliseconds. */
const readAgainMs = 300_000;

/** A provider for AWS's client. What it throws names the file and what is missing, never what is in it. */
export function credentialsOf(file: string): () => Promise<AwsCredentials> {
  return async () => {
    const profile = parseProfile(await readFile(file, "utf8"), "default");
    const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } = profile;
    const { aws_session_token: sessionToken } = profile;
    if (!accessKeyId || !secretAccessKey) {
      const error = new Error(
        `${file} has no aws_access_key_id and aws_secret_access_key in [default]`,
      );
      error.name = "CredentialsProviderError";
      throw error;
    }
    return {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken ? { sessionToken } : {}),
      expiration: new Date(Date.now() + readAgainMs),
    };
  };
}

/** The keys of one section. Lines that are neither section, key nor comment are passed over. */
export function parseProfile(text: string, name: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = Object.create(null);
  let section: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    const head = /^\s*\[([^\]]*)\]\s*$/.exec(line);
    if (head) section = head[1]?.trim();
    const pair = /^\s*([A-Za-z_]+)\s*=\s*(\S*)\s*$/.exec(line);
    if (pair && section === name) found[(pair[1] as string).toLowerCase()] = pair[2] as string;
  }
  return found;
}
