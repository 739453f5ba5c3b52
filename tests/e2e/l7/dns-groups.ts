// DNS rules: names and patterns, over UDP and TCP, and what is answered to the rest.
import { allowed, denied, type Row, type Told } from "./rows.ts";

const digOptions = ["+time=3", "+tries=1", "+noall", "+comments", "+nosearch"];

/** What the world says beside its built-in names. */
export const zone = {
  records: [
    { name: "alias.shop.test", type: "CNAME", data: "api.world.test", ttl: 20 },
    { name: "text.shop.test", type: "TXT", data: "hello" },
    ...Array.from({ length: 120 }, (_, at) => ({
      name: "large.shop.test",
      type: "A",
      data: `203.0.113.${at + 100}`,
    })),
  ],
};

/** One policy's rules, and what is asked of them. */
export type DnsGroup = {
  readonly name: string;
  readonly rules: readonly object[];
  readonly rows: readonly Row[];
};

export const dnsGroups: readonly DnsGroup[] = [
  {
    name: "dns-name",
    rules: [{ matchName: "api.world.test" }, { matchName: "missing.example" }],
    rows: [
      ...known("A", "api.world.test", "world"),
      ...known("AAAA", "api.world.test", "world"),
      ...known("A", "API.World.TEST", "world"),
      dig("a name without the type", "missing.example", "A", "NXDOMAIN", [], {
        answer: "rcode 3",
      }),
    ],
  },
  {
    name: "dns-pattern",
    rules: [{ matchPattern: "*.wild.world.test" }, { matchPattern: "s*x.world.test" }],
    rows: [
      ...known("A", "a.wild.world.test", "world"),
      ...known("A", "six.world.test", "world"),
      ...known("A", "sx.world.test", "world"),
    ],
  },
  {
    name: "dns-deep",
    rules: [{ matchPattern: "**.shop.test" }],
    rows: [
      dig("an alias", "alias.shop.test", "A", "NOERROR", [], {
        answer: "alias api.world.test, world, TTL 20",
      }),
      dig("text", "text.shop.test", "TXT", "NOERROR", [], { answer: "nothing" }),
      large(),
    ],
  },
];

/** Of no policy's rules. */
export const deniedNames: readonly Row[] = [
  "b.world.test",
  "a.b.wild.world.test",
  "wild.world.test",
  "shop.test",
  "api.world.test.shop.example",
  "kubernetes.default.svc.cluster.local",
].flatMap((name) => overBoth(name, "A", "REFUSED", undefined));

function known(type: "A" | "AAAA", name: string, answer: string): Row[] {
  return overBoth(name, type, "NOERROR", `${answer}, TTL 30`);
}

function overBoth(name: string, type: string, comesTo: string, answer: string | undefined): Row[] {
  return [[], ["+tcp"], ["+noedns"]].map((options) =>
    dig(`${name} ${type} ${options.join(" ")}`, name, type, comesTo, options, { answer }),
  );
}

function dig(
  what: string,
  name: string,
  type: string,
  comesTo: string,
  options: readonly string[],
  told: { readonly answer: string | undefined },
): Row {
  const question = `DNS ${type} ${name.toLowerCase()}`;
  return {
    what,
    ask: (to) => ({
      kind: "run",
      command: ["dig", ...digOptions, ...options, `@${to.address}`, name, type],
    }),
    comesTo,
    flows:
      told.answer === undefined
        ? [denied(question)]
        : [allowed(question, "request"), allowed(`${question}: ${told.answer}`, "reply")],
  };
}

/** An answer that is cut over UDP and asked for again over TCP. */
function large(): Row {
  const question = "DNS A large.shop.test";
  const addresses = zone.records.flatMap(({ type, data }) => (type === "A" ? [data] : []));
  const again: readonly Told[] = [
    allowed(question, "request"),
    allowed(`${question}: ${addresses.join(", ")}, TTL 30`, "reply"),
  ];
  const row = dig("more than fits into a datagram", "large.shop.test", "A", "NOERROR", [], {
    answer: "nothing",
  });
  return { ...row, flows: [...row.flows, ...again] };
}
