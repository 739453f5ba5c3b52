// Who says what policy makes of a connection, and a memory of it: thousands of connections are the same to policy, since
// it looks at labels, ports, and of addresses only at which prefixes of rules they lie in.
import { type Address, Prefix, PrefixTrie } from "@tsilium/net";
import type { Explanation, ExplainQuestion } from "../compile/explain.ts";
import type { CidrGroup, Peer, Policy, PolicyService } from "../model.ts";

export type Judge = {
  explain(question: ExplainQuestion): Explanation;
  /** The same for addresses that no rule tells apart. */
  addressClass(address: Address): string;
};

/** What can name addresses. */
export type AddressRules = {
  readonly policies: readonly Policy[];
  readonly cidrGroups?: readonly CidrGroup[];
  readonly services?: readonly PolicyService[];
};

/** @param explain a compiler's, which has no rules about addresses but these */
export function judge(explain: Judge["explain"], rules: AddressRules): Judge {
  const { policies, cidrGroups = [], services = [] } = rules;
  const trie = new PrefixTrie<number>();
  const prefixes = [
    ...policies
      .flatMap(({ specs }) => specs)
      .flatMap(({ rules: all }) => all)
      .flatMap(prefixesOf),
    ...cidrGroups.flatMap((group) => group.prefixes),
    ...services.flatMap(({ backends }) => backends),
  ];
  for (const [number, prefix] of prefixes.entries()) trie.set(prefix, number);
  const addressClass = (address: Address) => [...trie.covering(Prefix.host(address))].join();
  return { explain, addressClass };
}

function prefixesOf({ peers = [] }: { readonly peers: readonly Peer[] | undefined }): Prefix[] {
  return peers.flatMap((peer) => [
    ...(peer.kind === "cidr" ? [peer.prefix] : []),
    ...("except" in peer ? peer.except : []),
  ]);
}

/** Asks once for what is the same. Policy must not change meanwhile. */
export function remembering({ explain, addressClass }: Judge): Judge["explain"] {
  const answers = new Map<string, Explanation>();
  const endKey = ({ identity, labels, address }: ExplainQuestion["from"]) =>
    `${identity} ${labels.key} ${address === undefined ? "" : addressClass(address)}`;
  return (question) => {
    const { from, to, protocol, port } = question;
    const key = `${endKey(from)}|${endKey(to)}|${protocol}/${port}`;
    let answer = answers.get(key);
    if (answer === undefined) answers.set(key, (answer = explain(question)));
    return answer;
  };
}
