/** Why an expression is refused: a sentence without a subject, "uses look-ahead, which ...". */
export class PatternError extends Error {
  override readonly name = "PatternError";
}
