// One compiled field of one filter, and how several of them become one.
import type { BlockSummary, Flow, FlowEndpoint } from "../model.ts";

export type Condition = {
  /** Whether the flow satisfies it. Never throws. */
  matches(flow: Flow): boolean;
  /** False only if no flow of such a block can satisfy it. */
  mayMatch(block: BlockSummary): boolean;
  /** True only if every flow of such a block satisfies it. */
  matchesAll(block: BlockSummary): boolean;
  /** How dear `matches` is, about in tens of nanoseconds: the cheapest is asked first. */
  readonly cost: number;
};

export type Side = "source" | "destination";

const never = () => false;
const always = () => true;

/** A condition that a block's summary says nothing about. */
export function onFlow(cost: number, matches: (flow: Flow) => boolean): Condition {
  return { cost, matches, mayMatch: always, matchesAll: never };
}

/** A condition on one end of the flow. Endpoints never change, so the answer for each is remembered. */
export function onEndpoint(side: Side, test: (endpoint: FlowEndpoint) => boolean): Condition {
  const remembered = rememberObjects(test);
  return {
    cost: 2,
    matches:
      side === "source"
        ? (flow) => remembered(flow.source)
        : (flow) => remembered(flow.destination),
    mayMatch: (block) => block.endpoints.some(remembered),
    matchesAll: (block) => block.endpoints.length > 0 && block.endpoints.every(remembered),
  };
}

/** All of them: a filter's fields. None: everything. */
export function allOf(conditions: readonly Condition[]): Condition {
  const sorted = conditions.toSorted((a, b) => a.cost - b.cost);
  return {
    cost: sorted.reduce((sum, { cost }) => sum + cost, 0),
    matches: everyMatch(sorted.map(({ matches }) => matches)),
    mayMatch: (block) => sorted.every((condition) => condition.mayMatch(block)),
    matchesAll: (block) => sorted.every((condition) => condition.matchesAll(block)),
  };
}

/** Any of them: a list of filters. None: nothing. */
export function anyOf(conditions: readonly Condition[]): Condition {
  const sorted = conditions.toSorted((a, b) => a.cost - b.cost);
  return {
    cost: sorted.reduce((sum, { cost }) => sum + cost, 0),
    matches: someMatches(sorted.map(({ matches }) => matches)),
    mayMatch: (block) => sorted.some((condition) => condition.mayMatch(block)),
    matchesAll: (block) => sorted.some((condition) => condition.matchesAll(block)),
  };
}

type Test = (flow: Flow) => boolean;

// One and two are nearly all filters there are, and a loop over closures costs more than they do.
function everyMatch([first, second, ...rest]: readonly Test[]): Test {
  if (!first) return always;
  if (!second) return first;
  if (rest.length === 0) return (flow) => first(flow) && second(flow);
  const others = everyMatch(rest);
  return (flow) => first(flow) && second(flow) && others(flow);
}

function someMatches([first, second, ...rest]: readonly Test[]): Test {
  if (!first) return never;
  if (!second) return first;
  if (rest.length === 0) return (flow) => first(flow) || second(flow);
  const others = someMatches(rest);
  return (flow) => first(flow) || second(flow) || others(flow);
}

/** `test`, asked once for each object. */
export function rememberObjects<Key extends object>(
  test: (key: Key) => boolean,
): (key: Key) => boolean {
  const answers = new WeakMap<Key, boolean>();
  return (key) => {
    const known = answers.get(key);
    if (known !== undefined) return known;
    const answer = test(key);
    answers.set(key, answer);
    return answer;
  };
}

/** How many answers `rememberTexts` keeps; then it forgets all of them, which bounds it and costs no bookkeeping. */
const rememberedTexts = 4096;
/** Longer texts (URLs of an attacker's making) are tested anew each time instead of being held in memory. */
const rememberedLength = 512;

/** `test`, asked once for each text, as long as there are not too many of them. */
export function rememberTexts(test: (text: string) => boolean): (text: string) => boolean {
  const answers = new Map<string, boolean>();
  return (text) => {
    const known = answers.get(text);
    if (known !== undefined) return known;
    const answer = test(text);
    if (text.length > rememberedLength) return answer;
    if (answers.size >= rememberedTexts) answers.clear();
    answers.set(text, answer);
    return answer;
  };
}
