// What the user types into the filter bar, understood: "pod:shop/web", "-port:53", or a bare word whose look says what
// it may be.
import { type Filter, filterWord, filterWords } from "../../src/shared/filters.ts";
import { dropReasonNames } from "../../src/shared/drop-reasons.ts";
import { reservedIdentities } from "../../src/shared/names.ts";

export type Typed =
  | { readonly kind: "filter"; readonly filter: Filter }
  /** A bare text, without a known word before it. */
  | { readonly kind: "text"; readonly text: string; readonly not: boolean };

export function understood(typed: string): Typed {
  const match = /^(--not |not[ .]|!|-(?!-))?(?:--)?([^:= ]+)(?:[:=]|\s+)?(.*)$/i.exec(
    typed.trimStart(),
  );
  const [, sign, name = "", value = ""] = match ?? [];
  const not = sign !== undefined;
  const hasEnd = match !== null && typed.trimStart().length > (sign?.length ?? 0) + name.length;
  const word = filterWord(name.replace(/^--/, "").toLowerCase());
  if (word && hasEnd)
    return { kind: "filter", filter: { word: word.name, value: value.trim(), not } };
  return {
    kind: "text",
    text: typed.trim().replace(/^(-|!)/, ""),
    not: /^[-!]/.test(typed.trim()),
  };
}

/** What a bare text may mean, likeliest first. */
export function guesses(text: string, not: boolean): readonly Filter[] {
  const filter = (word: string, value = text): Filter => ({ word, value, not });
  if (text === "") return [];
  const found: Filter[] = [];
  const upper = text.toUpperCase();
  const verdict = filterWord("verdict")?.values?.find(
    (name) => name === upper || (upper.length > 2 && name.startsWith(upper)),
  );
  if (verdict) found.push(filter("verdict", verdict));
  const protocol = filterWord("protocol")?.values?.find((name) => name === text.toLowerCase());
  if (protocol) found.push(filter("protocol", protocol));
  if (/^\d{1,5}$/.test(text) && Number(text) < 65_536)
    found.push(filter("to-port"), filter("port"), filter("identity"));
  else if (/^\d+$/.test(text)) found.push(filter("identity"));
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-/i.test(text)) found.push(filter("uuid"));
  else if (isAddress(text)) found.push(filter("ip"));
  if (Object.hasOwn(reservedIdentities, text.toLowerCase()))
    found.push(filter("identity", text.toLowerCase()));
  const [reason] = dropReasonNames.filter(
    (name) => upper.length > 3 && name.includes(upper.replaceAll(" ", "_")),
  );
  if (reason !== undefined) found.push(filter("drop-reason-desc", reason));
  if (/^[\w.:/-]+=[\w.-]*$/.test(text)) found.push(filter("label"));
  if (/^[\w-]+\/[\w.-]*$/.test(text)) found.push(filter("pod"), filter("service"));
  if (/^[\w*-]+(\.[\w*-]+)+$/.test(text) && /[a-z]/i.test(text)) found.push(filter("fqdn"));
  if (/^[a-z0-9][\w.-]*$/i.test(text) && !/^\d+$/.test(text) && !isAddress(text))
    found.push(filter("namespace"), filter("pod"), filter("workload"));
  return found;
}

function isAddress(text: string): boolean {
  const [address = "", length] = text.split("/");
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return false;
  return (
    /^\d{1,3}(\.\d{1,3}){3}$/.test(address) ||
    (/^[0-9a-f:.]+$/i.test(address) && /:.*:/.test(address))
  );
}

/** Words that have the text in them, those that begin with it first. */
export function wordsLike(text: string): readonly string[] {
  const wanted = text.toLowerCase();
  const names = filterWords.map(({ name }) => name);
  return [
    ...names.filter((name) => name.startsWith(wanted)),
    ...names.filter((name) => !name.startsWith(wanted) && name.includes(wanted)),
  ];
}

/** All that the value of a word can be and that has the text in it. undefined: only the cluster knows. */
export function valuesLike(word: string, text: string): readonly string[] | undefined {
  const values = word === "drop-reason-desc" ? dropReasonNames : filterWord(word)?.values;
  const wanted = text.toLowerCase();
  return values?.filter((value) => value.toLowerCase().includes(wanted));
}
