// The views of endpoints, identities, policies and services.
import type { ReactNode } from "react";
import type { EndpointRow, IdentityRow, PolicyRow, ServiceRow } from "../../src/objects/rows.ts";
import { PolicyYaml } from "../flow/policy-object.tsx";
import { Link } from "../ui/link.tsx";
import { IconButton } from "../ui/controls.tsx";
import { visible } from "../ui/text.ts";
import { ObjectTable } from "./table.tsx";

function FlowsLink({
  filters,
  label,
}: {
  filters: Readonly<Record<string, string>>;
  label: string;
}): ReactNode {
  return (
    <Link to="/flows" query={filters} label={label} className="flows-link">
      flows
    </Link>
  );
}

function Labels({ labels }: { labels: readonly string[] }): ReactNode {
  return (
    <span className="labels-inline">
      {labels
        .filter((label) => !/^k8s:io\.(kubernetes\.pod|cilium\.k8s)\./.test(label))
        .map((label) => (
          <span className="label-chip" key={label}>
            {visible(label.replace(/^k8s:/, ""))}
          </span>
        ))}
    </span>
  );
}

export function EndpointsPage(): ReactNode {
  return (
    <ObjectTable<EndpointRow>
      kind="endpoints"
      title="Endpoints"
      text={(row) =>
        `${row.key} ${row.node} ${row.addresses.join(" ")} ${row.identity} ${row.labels.join(" ")} ${row.state}`
      }
      columns={endpointColumns}
    />
  );
}

const endpointColumns = [
  {
    title: "Namespace",
    width: "minmax(90px, 0.6fr)",
    cell: (row: EndpointRow) => visible(row.namespace),
    value: (row: EndpointRow) => row.key,
  },
  {
    title: "Pod",
    width: "minmax(140px, 1.1fr)",
    cell: (row: EndpointRow) => <b>{visible(row.name)}</b>,
    value: (row: EndpointRow) => row.name,
  },
  {
    title: "Addresses",
    width: "minmax(150px, 1fr)",
    cell: (row: EndpointRow) => <span className="mono">{row.addresses.join(" ")}</span>,
    value: (row: EndpointRow) => row.addresses[0] ?? "",
  },
  {
    title: "Identity",
    width: "80px",
    cell: (row: EndpointRow) => (
      <Link to="/identities" query={{ q: String(row.identity) }} label={`Identity ${row.identity}`}>
        {row.identity}
      </Link>
    ),
    value: (row: EndpointRow) => row.identity,
  },
  {
    title: "Isolated",
    width: "110px",
    cell: (row: EndpointRow) => row.isolated.join(", ") || <span className="muted">no</span>,
    value: (row: EndpointRow) => row.isolated.join(),
  },
  {
    title: "State",
    width: "80px",
    cell: (row: EndpointRow) => (
      <span className={row.state === "ready" ? "tone-ok" : "tone-audit"}>{row.state || "?"}</span>
    ),
    value: (row: EndpointRow) => row.state,
  },
  {
    title: "Labels",
    width: "minmax(140px, 1.6fr)",
    cell: (row: EndpointRow) => <Labels labels={row.labels} />,
    value: (row: EndpointRow) => row.labels.join(),
  },
  {
    title: "Flows",
    width: "56px",
    cell: (row: EndpointRow) => (
      <FlowsLink filters={{ pod: row.key }} label={`Flows of ${row.key}`} />
    ),
    value: () => 0,
  },
] as const;

export function IdentitiesPage(): ReactNode {
  return (
    <ObjectTable<IdentityRow>
      kind="identities"
      title="Identities"
      text={(row) => `${row.id} ${row.namespace} ${row.labels.join(" ")}`}
      columns={identityColumns}
    />
  );
}

const identityColumns = [
  {
    title: "Identity",
    width: "100px",
    cell: (row: IdentityRow) => <b className="mono">{row.id}</b>,
    value: (row: IdentityRow) => row.id,
  },
  {
    title: "Namespace",
    width: "minmax(100px, 0.6fr)",
    cell: (row: IdentityRow) => visible(row.namespace),
    value: (row: IdentityRow) => row.namespace,
  },
  {
    title: "Labels",
    width: "minmax(200px, 3fr)",
    cell: (row: IdentityRow) => <Labels labels={row.labels} />,
    value: (row: IdentityRow) => row.labels.join(),
  },
  {
    title: "Flows",
    width: "56px",
    cell: (row: IdentityRow) => (
      <FlowsLink filters={{ identity: String(row.id) }} label={`Flows of identity ${row.id}`} />
    ),
    value: () => 0,
  },
] as const;

const kindNames: Readonly<Record<string, string>> = {
  NetworkPolicy: "NetworkPolicy",
  CiliumNetworkPolicy: "Cilium",
  CiliumClusterwideNetworkPolicy: "Cilium, cluster-wide",
};

export function PoliciesPage(): ReactNode {
  return (
    <ObjectTable<PolicyRow>
      kind="policies"
      title="Policies"
      text={(row) => `${row.kind} ${row.namespace}/${row.name} ${row.selects} ${row.problem}`}
      columns={policyColumns}
      details={(row, close) => <PolicyPanel row={row} onClose={close} />}
    />
  );
}

const policyColumns = [
  {
    title: "Name",
    width: "minmax(160px, 1.2fr)",
    cell: (row: PolicyRow) => (
      <>
        {row.namespace !== "" && <span className="end-namespace">{visible(row.namespace)}/</span>}
        <b>{visible(row.name)}</b>
      </>
    ),
    value: (row: PolicyRow) => `${row.namespace}/${row.name}`,
  },
  {
    title: "Kind",
    width: "minmax(110px, 0.7fr)",
    cell: (row: PolicyRow) => kindNames[row.kind] ?? row.kind,
    value: (row: PolicyRow) => row.kind,
  },
  {
    title: "Selects",
    width: "minmax(160px, 1.5fr)",
    cell: (row: PolicyRow) => <span className="mono">{visible(row.selects)}</span>,
    value: (row: PolicyRow) => row.selects,
  },
  {
    title: "Isolates",
    width: "120px",
    cell: (row: PolicyRow) => row.isolates.join(", ") || <span className="muted">no</span>,
    value: (row: PolicyRow) => row.isolates.join(),
  },
  {
    title: "Ingress",
    width: "72px",
    cell: (row: PolicyRow) => row.ingress || <span className="muted">0</span>,
    value: (row: PolicyRow) => row.ingress,
  },
  {
    title: "Egress",
    width: "72px",
    cell: (row: PolicyRow) => row.egress || <span className="muted">0</span>,
    value: (row: PolicyRow) => row.egress,
  },
  {
    title: "Deny",
    width: "60px",
    cell: (row: PolicyRow) => row.deny || <span className="muted">0</span>,
    value: (row: PolicyRow) => row.deny,
  },
  {
    title: "State",
    width: "90px",
    cell: (row: PolicyRow) =>
      row.problem !== "" ? (
        <span className="tone-drop" title={visible(row.problem)}>
          not valid
        </span>
      ) : row.audit ? (
        <span className="tone-audit">audit</span>
      ) : (
        <span className="tone-ok">in force</span>
      ),
    value: (row: PolicyRow) => row.problem,
  },
] as const;

function PolicyPanel({ row, onClose }: { row: PolicyRow; onClose: () => void }): ReactNode {
  const name = row.namespace === "" ? row.name : `${row.namespace}/${row.name}`;
  const is = `p, p.name == ${JSON.stringify(row.name)} && p.namespace == ${JSON.stringify(row.namespace)}`;
  const by = (lists: readonly string[]) =>
    lists.map((list) => `_flow.${list}.exists(${is})`).join(" || ");
  return (
    <aside className="panel" aria-label={`Policy ${name}`}>
      <header className="panel-head">
        <h2>{visible(name)}</h2>
        <IconButton icon="close" label="Close (Esc)" onClick={onClose} />
      </header>
      <p className="panel-sub">{row.kind}</p>
      {row.problem !== "" && <p className="note is-error">{visible(row.problem)}</p>}
      <p className="panel-links">
        <Link
          to="/flows"
          query={{ "cel-expression": by(["ingress_denied_by", "egress_denied_by"]) }}
          className="button small tone-drop"
        >
          Flows it denied
        </Link>
        <Link
          to="/flows"
          query={{ "cel-expression": by(["ingress_allowed_by", "egress_allowed_by"]) }}
          className="button small"
        >
          Flows it allowed
        </Link>
      </p>
      <PolicyYaml kind={row.kind} namespace={row.namespace} name={row.name} path={undefined} />
    </aside>
  );
}

export function ServicesPage(): ReactNode {
  return (
    <ObjectTable<ServiceRow>
      kind="services"
      title="Services"
      text={(row) => `${row.key} ${row.type} ${row.addresses.join(" ")} ${row.ports.join(" ")}`}
      columns={serviceColumns}
    />
  );
}

const serviceColumns = [
  {
    title: "Namespace",
    width: "minmax(90px, 0.6fr)",
    cell: (row: ServiceRow) => visible(row.namespace),
    value: (row: ServiceRow) => row.key,
  },
  {
    title: "Service",
    width: "minmax(140px, 1.1fr)",
    cell: (row: ServiceRow) => <b>{visible(row.name)}</b>,
    value: (row: ServiceRow) => row.name,
  },
  {
    title: "Type",
    width: "110px",
    cell: (row: ServiceRow) => row.type,
    value: (row: ServiceRow) => row.type,
  },
  {
    title: "Addresses",
    width: "minmax(150px, 1.2fr)",
    cell: (row: ServiceRow) => <span className="mono">{row.addresses.join(" ")}</span>,
    value: (row: ServiceRow) => row.addresses[0] ?? "",
  },
  {
    title: "Ports",
    width: "minmax(120px, 1fr)",
    cell: (row: ServiceRow) => <span className="mono">{row.ports.join(" ")}</span>,
    value: (row: ServiceRow) => row.ports[0] ?? "",
  },
  {
    title: "Backends",
    width: "90px",
    cell: (row: ServiceRow) => (
      <span
        className={
          row.ready === 0 ? "tone-drop" : row.ready < row.backends ? "tone-audit" : "tone-ok"
        }
      >
        {row.ready} of {row.backends}
      </span>
    ),
    value: (row: ServiceRow) => row.ready,
  },
  {
    title: "Flows",
    width: "56px",
    cell: (row: ServiceRow) => (
      <FlowsLink filters={{ service: row.key }} label={`Flows of ${row.key}`} />
    ),
    value: () => 0,
  },
] as const;
