// What the browser keeps for the user between visits. A browser that keeps nothing only forgets.

export function readSaved<T>(name: string, isValid: (value: unknown) => value is T): T | undefined {
  try {
    const text = localStorage.getItem(`tsilium-${name}`);
    if (text === null) return undefined;
    const value: unknown = JSON.parse(text);
    return isValid(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function writeSaved(name: string, value: unknown): void {
  try {
    if (value === undefined) localStorage.removeItem(`tsilium-${name}`);
    else localStorage.setItem(`tsilium-${name}`, JSON.stringify(value));
  } catch {
    // Not allowed to: see above.
  }
}

export function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}
