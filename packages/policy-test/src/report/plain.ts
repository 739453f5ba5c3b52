// Names and messages come from manifests: control characters in them could rewrite what a terminal shows.

/** Without control characters but line breaks. */
export function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e]/g, "?");
}
