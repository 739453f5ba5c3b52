// Everything that is known of one flow.
import { type ReactNode, useEffect, useRef } from "react";
import {
  matchTypes,
  observationPoints,
  reservedName,
  traceReasons,
  verdictNames,
} from "../../src/shared/names.ts";
import { dropReasons } from "../../src/shared/drop-reasons.ts";
import type { SeenFlow } from "../../src/shared/seen-flow.ts";
import { addFilter } from "../filter/place-filters.ts";
import { Verdict } from "../flows/columns.tsx";
import { IconButton } from "../ui/controls.tsx";
import { Icon } from "../ui/icons.tsx";
import { clock, dateClock, visible } from "../ui/text.ts";
import { addressOf, type End, endName, eventText, portOf, portText } from "./words.ts";
import { Why } from "./why.tsx";
import { CopyFlowJson } from "./copy-json.tsx";

export function FlowDetails({ flow, onClose }: { flow: SeenFlow; onClose: () => void }): ReactNode {
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    panel.current?.scrollTo({ top: 0 });
  }, [flow.uuid]);
  return (
    <aside className="panel flow-details" ref={panel} aria-label="The selected flow">
      <header className="panel-head">
        <Verdict flow={flow} />
        <h2>
          {portText(flow)} <span className="muted">{eventText(flow)}</span>
        </h2>
        <IconButton icon="close" label="Close (Esc)" onClick={onClose} />
      </header>
      <p className="panel-sub">
        {dateClock(flow.timeMs)}.{clock(flow.timeMs).slice(-3)}
        {flow.nodeName === "" ? "" : ` on ${visible(flow.nodeName)}`}
      </p>
      <Why flow={flow} />
      <section aria-label="Ends" className="ends">
        <EndCard flow={flow} end="source" />
        <div className="ends-arrow">
          <Icon name="arrow" />
        </div>
        <EndCard flow={flow} end="destination" />
      </section>
      <section aria-label="Fields">
        <h3>Fields</h3>
        <Fields flow={flow} />
      </section>
      <CopyFlowJson flow={flow} />
    </aside>
  );
}

function EndCard({ flow, end }: { flow: SeenFlow; end: End }): ReactNode {
  const endpoint = flow[end];
  const { namespace, name } = endName(flow, end);
  const side = end === "source" ? "from" : "to";
  const port = portOf(flow, end);
  const address = addressOf(flow, end);
  const names = end === "source" ? flow.sourceNames : flow.destinationNames;
  const service = end === "source" ? flow.sourceService : flow.destinationService;
  const reserved = reservedName(endpoint.identity);
  return (
    <div className="end-card">
      <h3>{end === "source" ? "Source" : "Destination"}</h3>
      <p className="end-title">{visible(name)}</p>
      <dl>
        <Value label="Namespace" text={namespace} word={`${side}-namespace`} />
        <Value
          label="Pod"
          text={endpoint.podName}
          word={`${side}-pod`}
          value={`${endpoint.namespace}/${endpoint.podName}`}
        />
        {endpoint.workloads.map(({ kind, name: workload }) => (
          <Value
            key={`${kind}/${workload}`}
            label={kind || "Workload"}
            text={workload}
            word={`${side}-workload`}
            value={kind === "" ? workload : `${kind}/${workload}`}
          />
        ))}
        <Value
          label="Service"
          text={service?.name ?? ""}
          word={`${side}-service`}
          value={`${service?.namespace}/${service?.name}`}
        />
        <Value label="Address" text={address} word={`${side}-ip`} isCode />
        <Value
          label="Port"
          text={port === undefined ? "" : String(port)}
          word={`${side}-port`}
          isCode
        />
        {names.map((dnsName) => (
          <Value key={dnsName} label="DNS name" text={dnsName} word={`${side}-fqdn`} />
        ))}
        <Value
          label="Identity"
          text={
            reserved === undefined ? String(endpoint.identity) : `${endpoint.identity} ${reserved}`
          }
          word={`${side}-identity`}
          value={String(endpoint.identity)}
          isCode
        />
        <Value label="Cluster" text={endpoint.clusterName} word={`${side}-cluster`} />
        <Value label="Endpoint" text={endpoint.id === 0 ? "" : String(endpoint.id)} isCode />
      </dl>
      {endpoint.labels.length > 0 && (
        <ul className="labels" aria-label="Labels">
          {endpoint.labels.map((label) => (
            <li key={label}>
              <button
                type="button"
                className="label-chip"
                title="Filter for this label"
                onClick={() => addFilter({ word: `${side}-label`, value: label, not: false })}
              >
                {visible(label)}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** One field; with `word` it can be filtered for and filtered out. Nothing when it is empty. */
function Value({
  label,
  text,
  word,
  value = text,
  isCode = false,
}: {
  label: string;
  text: string;
  word?: string;
  value?: string;
  isCode?: boolean;
}): ReactNode {
  if (text === "") return null;
  return (
    <div className="value">
      <dt>{label}</dt>
      <dd>
        <span className={isCode ? "mono" : undefined}>{visible(text)}</span>
        {word !== undefined && (
          <span className="value-filters">
            <button
              type="button"
              aria-label={`Filter for ${label} ${visible(text)}`}
              title="Filter for it"
              onClick={() => addFilter({ word, value, not: false })}
            >
              <Icon name="plus" size={12} />
            </button>
            <button
              type="button"
              aria-label={`Filter out ${label} ${visible(text)}`}
              title="Filter it out"
              onClick={() => addFilter({ word, value, not: true })}
            >
              <Icon name="minus" size={12} />
            </button>
          </span>
        )}
      </dd>
    </div>
  );
}

function Fields({ flow }: { flow: SeenFlow }): ReactNode {
  const { ip, l4, l7, ethernet, interface: device } = flow;
  const flags = l4?.kind === "tcp" && l4.flags ? setFlags(l4.flags) : "";
  const reason = dropReasons[flow.dropReason]?.name;
  return (
    <dl className="fields">
      <Value
        label="Verdict"
        text={verdictNames[flow.verdict] ?? String(flow.verdict)}
        word="verdict"
      />
      <Value
        label="Drop reason"
        text={flow.dropReason === 0 ? "" : `${reason ?? ""} (${flow.dropReason})`}
        {...(reason === undefined ? {} : { word: "drop-reason-desc", value: reason })}
      />
      <Value label="Event" text={eventText(flow)} />
      <Value
        label="Direction"
        text={["", "ingress", "egress"][flow.direction] ?? ""}
        word="traffic-direction"
      />
      <Value
        label="Reply"
        text={flow.isReply === undefined ? "not known" : flow.isReply ? "yes" : "no"}
        {...(flow.isReply === undefined ? {} : { word: "reply", value: String(flow.isReply) })}
      />
      <Value label="TCP flags" text={flags} word="tcp-flags" value={flags.replaceAll(" ", ",")} />
      {l4 && "type" in l4 && <Value label="ICMP" text={`type ${l4.type}, code ${l4.code}`} />}
      <Value label="IP version" text={ip ? (ip.version === 1 ? "4" : "6") : ""} word="ip-version" />
      <Value label="Source translated to" text={ip?.sourceXlated ?? ""} word="snat-ip" isCode />
      <Value label="Encrypted" text={ip?.encrypted ? "yes" : ""} word="encrypted" value="true" />
      <Value
        label="Seen at"
        text={flow.observationPoint < 0 ? "" : (observationPoints[flow.observationPoint] ?? "")}
      />
      <Value
        label="Connection"
        text={flow.traceReason === 0 ? "" : (traceReasons[flow.traceReason] ?? "")}
      />
      <Value
        label="Policy matched"
        text={flow.policyMatchType === 0 ? "" : (matchTypes[flow.policyMatchType] ?? "")}
      />
      <Value label="Policy log" text={flow.policyLog.join(", ")} />
      {l7 && <Layer7Fields l7={l7} />}
      <Value label="Node" text={flow.nodeName} word="node-name" />
      <Value
        label="Interface"
        text={device ? `${device.name} (${device.index})` : ""}
        {...(device && device.name !== "" ? { word: "interface", value: device.name } : {})}
      />
      <Value
        label="MAC"
        text={ethernet ? `${ethernet.source} → ${ethernet.destination}` : ""}
        isCode
      />
      <Value label="Proxy port" text={flow.proxyPort === 0 ? "" : String(flow.proxyPort)} />
      <Value label="Socket" text={flow.socketCookie === "0" ? "" : flow.socketCookie} isCode />
      <Value label="Cgroup" text={flow.cgroupId === "0" ? "" : flow.cgroupId} isCode />
      <Value label="Summary" text={flow.summary} />
      <Value label="UUID" text={flow.uuid} word="uuid" isCode />
      <Value label="Time" text={new Date(flow.timeMs).toISOString()} isCode />
    </dl>
  );
}

function Layer7Fields({ l7 }: { l7: NonNullable<SeenFlow["l7"]> }): ReactNode {
  const latency = l7.latencyNs === 0 ? "" : `${(l7.latencyNs / 1e6).toFixed(2)} ms`;
  return (
    <>
      <Value label="Latency" text={latency} />
      {l7.kind === "http" && (
        <>
          <Value label="HTTP method" text={l7.method} word="http-method" />
          <Value label="URL" text={l7.url} />
          <Value
            label="HTTP status"
            text={l7.code === 0 ? "" : String(l7.code)}
            word="http-status"
          />
          <Value label="HTTP version" text={l7.protocol} />
          {l7.headers.map(({ key, value }) => (
            <Value
              key={`${key}:${value}`}
              label={key}
              text={value}
              word="http-header"
              value={`${key}:${value}`}
            />
          ))}
        </>
      )}
      {l7.kind === "dns" && (
        <>
          <Value label="DNS question" text={`${l7.qtypes.join(",")} ${l7.query}`} />
          <Value label="Answer" text={[...l7.cnames, ...l7.ips].join(", ")} />
          <Value label="Response code" text={l7.type === 2 ? String(l7.rcode) : ""} />
          <Value label="TTL" text={l7.ttl === 0 ? "" : `${l7.ttl} s`} />
        </>
      )}
      {l7.kind === "kafka" && (
        <>
          <Value label="Kafka" text={`${l7.apiKey} v${l7.apiVersion}`} />
          <Value label="Topic" text={l7.topic} />
          <Value label="Error" text={l7.errorCode === 0 ? "" : String(l7.errorCode)} />
        </>
      )}
    </>
  );
}

function setFlags(flags: Readonly<Record<string, boolean>>): string {
  return Object.entries(flags)
    .filter(([, isSet]) => isSet)
    .map(([name]) => name.toUpperCase())
    .join(" ");
}
