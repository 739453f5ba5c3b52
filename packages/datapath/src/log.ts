// What this package needs of a logger; pino's fits.

export type DatapathLog = {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
};
