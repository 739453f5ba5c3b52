// Light, dark, or as the system has it.
import { Store } from "../state/store.ts";
import { readSaved, writeSaved } from "./saved.ts";

export const themes = ["auto", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

const isTheme = (value: unknown): value is Theme => themes.some((name) => name === value);

export const theme = new Store<Theme>(readSaved("theme", isTheme) ?? "auto");

export function setTheme(name: Theme): void {
  writeSaved("theme", name === "auto" ? undefined : name);
  theme.set(name);
  applyTheme();
}

export function applyTheme(): void {
  const name = theme.get();
  if (name === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = name;
}
