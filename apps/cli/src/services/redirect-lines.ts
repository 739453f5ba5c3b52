// Local redirect policies as lines: one for each frontend and for each warning. Pure.
import type { RedirectView } from "../api.ts";
import { endText } from "./service-lines.ts";

export type RedirectLine = {
  readonly namespace: string;
  readonly name: string;
  readonly type: string;
  readonly service: string;
  /** "10.96.0.10:53/UDP -> 10.244.0.7:53, 10.244.0.8:53", or a warning. */
  readonly redirect: string;
};

export function redirectLines(row: RedirectView): RedirectLine[] {
  const { namespace, name, frontendType, service = "-", frontends, warnings } = row;
  const texts = [
    ...frontends.map(
      ({ frontend, backends }) => `${endText(frontend)} -> ${backends.map(endText).join(", ")}`,
    ),
    ...warnings.map(({ path, message }) => `! ${path}: ${message}`),
  ];
  const first = { namespace, name, type: frontendType, service };
  const nothing = { namespace: "", name: "", type: "", service: "" };
  if (texts.length === 0) return [{ ...first, redirect: "nothing: no backend on this node" }];
  return texts.map((redirect, at) => ({ ...(at === 0 ? first : nothing), redirect }));
}
