// Which addresses a name stands for, for how long, and what they are to policy because of it. No clock, no I/O.
export { addressKey, NameCache, type Observed } from "./cache.ts";
export { fqdnLabels, fqdnSource } from "./labels.ts";
export * from "./model.ts";
export { NameBook, type NameBookOptions } from "./name-book.ts";
export { refusalOf, unmapped } from "./refusal.ts";
export { selectorKey, SelectorIndex, selectorOf, selectorRegex } from "./selector-index.ts";
