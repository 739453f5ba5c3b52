// Requests as data: what is asked of whom, what it comes to, what the server sees, and the flows that must be seen of it.
import type { Question } from "./asker.ts";
import type { Asked } from "./server.ts";

/** Where a row's requests go. */
export type Target = {
  /** "far" */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Address and port as in URLs. */
  readonly authority: string;
  /** Of files that commands name. */
  readonly folder: string;
};

/** What one flow must say, without whose it is: that is the same for all of a group. */
export type Told =
  | {
      readonly verdict: "FORWARDED" | "ERROR";
      readonly kind: "request" | "reply";
      readonly text: string;
      /** No policy's doing: the proxy's own answer. */
      readonly isOwn?: true;
    }
  | {
      readonly verdict: "DROPPED";
      readonly kind: "request";
      readonly text: string;
      /** No policy's doing: the request has no meaning that could be judged. */
      readonly malformed?: true;
    };

export type Row = {
  readonly what: string;
  readonly ask: (to: Target) => Question;
  /** The outcome in words, as `wordOf` has them. */
  readonly comesTo: string;
  /** What the server says of the request; headers that are undefined here must not be there. */
  readonly saw?: Partial<Omit<Asked, "headers">> & {
    readonly headers?: Readonly<Record<string, string | undefined>>;
  };
  /** Its client may ask the same several times: of equal flows one is enough, in any order. */
  readonly repeats?: true;
  /** What may be seen besides, or not: a client does as it likes. */
  readonly maybe?: readonly Told[];
  /** `{to}` stands for the target's name, `{port}` for its port. */
  readonly flows: readonly Told[];
};

/** One rule on one port, and what is asked there. */
export type Group = {
  /** Also the policy's name. */
  readonly name: string;
  readonly port: number;
  /** What a `toPorts` entry says besides its ports. */
  readonly rule: object;
  readonly rows: readonly Row[];
};

export const allowed = (text: string, kind: "request" | "reply"): Told => ({
  verdict: "FORWARDED",
  kind,
  text,
});
export const denied = (text: string): Told => ({ verdict: "DROPPED", kind: "request", text });
export const malformed = (text: string): Told => ({ ...denied(text), malformed: true }) as Told;

/** A request that was denied, or could not be read, and the proxy's answer to it. */
export function refused(version: string, code: 400 | 403, request: string): readonly Told[] {
  return [
    (code === 400 ? malformed : denied)(`${version} ${request}`),
    { ...allowed(`${version} ${code} ${request}`, "reply"), isOwn: true } as Told,
  ];
}

/** A request that went through, and its answer. */
export function answered(version: string, code: number, request: string): readonly Told[] {
  return [
    allowed(`${version} ${request}`, "request"),
    allowed(`${version} ${code} ${request}`, "reply"),
  ];
}
