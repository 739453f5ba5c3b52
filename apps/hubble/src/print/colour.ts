// Colours of compact and dict output: the same things have the same ones as in Cilium's `hubble`.

export type Colours = {
  readonly host: (text: string) => string;
  readonly port: (text: string) => string;
  readonly identity: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly notable: (text: string) => string;
};

const asIs = (text: string) => text;

export const noColours: Colours = {
  host: asIs,
  port: asIs,
  identity: asIs,
  good: asIs,
  bad: asIs,
  notable: asIs,
};

export const colours: Colours = {
  host: sequence(36),
  port: sequence(33),
  identity: sequence(35),
  good: sequence(32),
  bad: sequence(31),
  notable: sequence(33),
};

export type WhenColoured = "auto" | "always" | "never";

/** Whether to colour what goes to a stream: "auto" means to terminals, unless NO_COLOR or TERM=dumb forbid it. */
export function coloured(
  when: WhenColoured,
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  if (when !== "auto") return when === "always";
  return stream.isTTY === true && !environment["NO_COLOR"] && environment["TERM"] !== "dumb";
}

// By hand: styleText() parses its format each time, for every field of every flow.
function sequence(code: number): (text: string) => string {
  const [start, end] = [`\u001b[${code}m`, "\u001b[0m"];
  return (text) => (text === "" ? "" : start + text + end);
}
