// The columns that a flow table can have.
import type { ReactNode } from "react";
import type { SeenFlow } from "../../src/shared/seen-flow.ts";
import {
  type End,
  endName,
  eventText,
  infoText,
  policyName,
  policyParts,
  portOf,
  portText,
  addressOf,
  verdictName,
  verdictTone,
} from "../flow/words.ts";
import { readSaved, writeSaved, isTexts } from "../ui/saved.ts";
import { clock, visible } from "../ui/text.ts";

export type Column = {
  readonly name: string;
  readonly title: string;
  /** For grid-template-columns. */
  readonly width: string;
  /** Narrower than this it says nothing. */
  readonly leastPx: number;
  readonly isDefault?: true;
  readonly cell: (flow: SeenFlow) => ReactNode;
};

export function Verdict({ flow }: { flow: SeenFlow }): ReactNode {
  return (
    <span className={`verdict tone-${verdictTone(flow)}`}>{verdictName(flow).toLowerCase()}</span>
  );
}

export function EndText({
  flow,
  end,
  port: how = "shown",
}: {
  flow: SeenFlow;
  end: End;
  port?: "shown" | "hidden";
}): ReactNode {
  const { namespace, name } = endName(flow, end);
  const port = how === "shown" ? portOf(flow, end) : undefined;
  return (
    <span className="end-text">
      {namespace !== "" && <span className="end-namespace">{visible(namespace)}/</span>}
      <span className="end-name">{visible(name)}</span>
      {port !== undefined && <span className="end-port">:{port}</span>}
    </span>
  );
}

const directions = ["", "ingress", "egress"] as const;

export const columns: readonly Column[] = [
  {
    name: "time",
    title: "Time",
    width: "112px",
    leastPx: 112,
    isDefault: true,
    cell: (flow) => <span className="mono">{clock(flow.timeMs)}</span>,
  },
  {
    name: "verdict",
    title: "Verdict",
    width: "104px",
    leastPx: 104,
    isDefault: true,
    cell: (flow) => <Verdict flow={flow} />,
  },
  {
    name: "source",
    title: "Source",
    width: "minmax(120px, 1.3fr)",
    leastPx: 190,
    isDefault: true,
    cell: (flow) => <EndText flow={flow} end="source" />,
  },
  {
    name: "destination",
    title: "Destination",
    width: "minmax(120px, 1.3fr)",
    leastPx: 190,
    isDefault: true,
    cell: (flow) => <EndText flow={flow} end="destination" />,
  },
  {
    name: "port",
    title: "Port",
    width: "96px",
    leastPx: 96,
    isDefault: true,
    cell: (flow) => portText(flow),
  },
  {
    name: "event",
    title: "Event",
    width: "112px",
    leastPx: 112,
    isDefault: true,
    cell: (flow) => eventText(flow),
  },
  {
    name: "info",
    title: "Info",
    width: "minmax(90px, 1fr)",
    leastPx: 120,
    isDefault: true,
    cell: (flow) => visible(infoText(flow)),
  },
  {
    name: "node",
    title: "Node",
    width: "88px",
    leastPx: 88,
    isDefault: true,
    cell: (flow) => visible(flow.nodeName),
  },
  {
    name: "direction",
    title: "Direction",
    width: "80px",
    leastPx: 80,
    cell: (flow) => directions[flow.direction] ?? "",
  },
  {
    name: "reply",
    title: "Reply",
    width: "60px",
    leastPx: 60,
    cell: (flow) => (flow.isReply === undefined ? "" : flow.isReply ? "yes" : "no"),
  },
  {
    name: "source-ip",
    title: "Source address",
    width: "minmax(110px, 0.7fr)",
    leastPx: 110,
    cell: (flow) => <span className="mono">{addressOf(flow, "source")}</span>,
  },
  {
    name: "destination-ip",
    title: "Destination address",
    width: "minmax(110px, 0.7fr)",
    leastPx: 110,
    cell: (flow) => <span className="mono">{addressOf(flow, "destination")}</span>,
  },
  {
    name: "source-identity",
    title: "Source identity",
    width: "96px",
    leastPx: 96,
    cell: (flow) => flow.source.identity,
  },
  {
    name: "destination-identity",
    title: "Destination identity",
    width: "96px",
    leastPx: 96,
    cell: (flow) => flow.destination.identity,
  },
  {
    name: "policy",
    title: "Policy",
    width: "minmax(110px, 1fr)",
    leastPx: 110,
    cell: (flow) =>
      policyParts(flow)
        .map(({ policy }) => visible(policyName(policy)))
        .join(", "),
  },
];

const place = "columns";

export function savedColumns(): readonly string[] {
  const saved = readSaved(place, isTexts)?.filter((name) => columns.some((c) => c.name === name));
  return saved && saved.length > 0
    ? saved
    : columns.filter(({ isDefault }) => isDefault).map(({ name }) => name);
}

export function saveColumns(names: readonly string[]): void {
  writeSaved(place, names);
}
