// Label selectors as policies write them.
import { choice, described, kept, list, record, text } from "../schema.ts";

const labelValue = {
  ...text,
  maxLength: 63,
  pattern: "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
};

export const selector = kept({
  matchLabels: described("labels that must all be there, with these values", record(labelValue)),
  matchExpressions: described(
    "terms that must all hold",
    list(
      kept({
        "key!": text,
        "operator!": choice("In", "NotIn", "Exists", "DoesNotExist"),
        values: list(text),
      }),
    ),
  ),
});
