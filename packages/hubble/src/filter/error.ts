// What is wrong with a filter that a client sent: one field, one value, one reason.

/** Longest piece of a client's value that an error repeats. */
const shownLength = 200;

export type FilterFault = {
  /** The field's name in flow.proto ("source_ip"). */
  readonly field: string;
  /** As the client sent it. */
  readonly value: string;
  /** Why it cannot be used, without a full stop. */
  readonly reason: string;
  /** Which filter ("whitelist[0]"), "" if there is one alone. */
  readonly place?: string;
};

/** A filter that cannot be compiled. gRPC's INVALID_ARGUMENT. The message names field, value and reason. */
export class FilterError extends Error {
  readonly code = "filter_invalid";
  readonly field: string;
  readonly value: string;
  readonly reason: string;
  readonly place: string;

  constructor({ field, value, reason, place = "" }: FilterFault, options?: ErrorOptions) {
    const where = place === "" ? field : `${place}.${field}`;
    super(
      printable(`invalid filter ${where} ${JSON.stringify(cut(value))}: ${cut(reason)}`),
      options,
    );
    this.name = "FilterError";
    this.field = field;
    this.value = value;
    this.reason = reason;
    this.place = place;
  }

  /** The same fault, found in the filter at `place`. */
  in(place: string): FilterError {
    const { field, value, reason } = this;
    return new FilterError({ field, value, reason, place }, { cause: this.cause });
  }
}

function cut(text: string): string {
  return text.length > shownLength ? `${text.slice(0, shownLength)}...` : text;
}

/** Reasons repeat pieces of the value: nothing in them may steer a terminal. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what is replaced
  return text.toWellFormed().replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
