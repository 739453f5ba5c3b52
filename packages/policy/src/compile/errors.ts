// The one error of building a slot. It does not leave the compiler: the delta says whose policy stayed as it was.

/**
 * too_many_rules, too_many_classes, too_many_entries: a single policy direction does not fit the kernel's keys or
 * tables. no_slot_left: all slot numbers are in use.
 */
export type SlotErrorCode =
  | "too_many_rules"
  | "too_many_classes"
  | "too_many_entries"
  | "no_slot_left";

export class SlotError extends Error {
  override readonly name = "SlotError";
  readonly code: SlotErrorCode;

  constructor(code: SlotErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
