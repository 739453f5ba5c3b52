// The frame around all views: where one can go, and how the cluster is.
import { type ReactNode, useEffect, useState } from "react";
import { setToken } from "./api/token.ts";
import { FlowsPage } from "./flows/page.tsx";
import { MapPage } from "./map/page.tsx";
import { EndpointsPage, IdentitiesPage, PoliciesPage, ServicesPage } from "./objects/pages.tsx";
import { go, usePlace } from "./router.ts";
import { connection } from "./state/connection.ts";
import { followStatus, status } from "./state/status.ts";
import { useStore } from "./state/store.ts";
import { IconButton, Popover, useKeys } from "./ui/controls.tsx";
import { Icon, type IconName } from "./ui/icons.tsx";
import { Link } from "./ui/link.tsx";
import { setTheme, theme, themes } from "./ui/theme.ts";
import { age, classes, count, rate, short, visible } from "./ui/text.ts";

type View = {
  readonly path: string;
  readonly title: string;
  readonly icon: IconName;
  readonly key: string;
  readonly page: () => ReactNode;
};

const views: readonly View[] = [
  { path: "/map", title: "Map", icon: "map", key: "m", page: MapPage },
  { path: "/flows", title: "Flows", icon: "flows", key: "f", page: FlowsPage },
  { path: "/policies", title: "Policies", icon: "policies", key: "p", page: PoliciesPage },
  { path: "/endpoints", title: "Endpoints", icon: "endpoints", key: "e", page: EndpointsPage },
  { path: "/identities", title: "Identities", icon: "identities", key: "i", page: IdentitiesPage },
  { path: "/services", title: "Services", icon: "services", key: "s", page: ServicesPage },
];

export function App(): ReactNode {
  const { path, query } = usePlace();
  const view = views.find((candidate) => candidate.path === path) ?? (views[0] as View);
  const { unauthorized } = useStore(connection);
  useEffect(() => followStatus(), [unauthorized]);
  useEffect(() => {
    document.title = `${view.title} – Tsilium Hubble`;
  }, [view]);
  useGoKeys();
  const Page = view.page;
  return (
    <>
      <a className="skip-link" href="#main">
        To the content
      </a>
      <header className="top">
        <Link to="/map" className="brand" label="Tsilium Hubble">
          <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="7" className="brand-box" />
            <g className="brand-lines">
              <path d="M9 10h14M16 10v13" />
            </g>
            <g className="brand-dots">
              <circle cx="9" cy="10" r="3" />
              <circle cx="23" cy="10" r="3" />
              <circle cx="16" cy="23" r="3" />
            </g>
          </svg>
          <span className="brand-name">tsilium</span>
        </Link>
        <nav aria-label="Views">
          {views.map(({ path: to, title, icon }) => (
            <Link
              key={to}
              to={to}
              query={carriedOver(to, query)}
              className="nav-link"
              label={title}
              current={to === view.path}
            >
              <Icon name={icon} />
              <span>{title}</span>
            </Link>
          ))}
        </nav>
        <ClusterState />
        <ThemeSwitch />
        <KeysHelp />
      </header>
      <Banner />
      <main id="main" tabIndex={-1}>
        {unauthorized ? <TokenForm /> : <Page />}
      </main>
    </>
  );
}

/** Filters and time go along between map and flows. */
function carriedOver(to: string, query: URLSearchParams): Readonly<Record<string, string>> {
  if (to !== "/map" && to !== "/flows") return {};
  const kept = [...query].filter(
    ([name]) =>
      !["node", "edge", "flow", "flow-time", "at", "window", "q", "key"].includes(name) &&
      !name.startsWith("edge-"),
  );
  return Object.fromEntries(kept);
}

/** "g" then a view's letter. */
function useGoKeys(): void {
  const [isGoing, setGoing] = useState(false);
  useKeys((event) => {
    if (isGoing) {
      setGoing(false);
      const view = views.find(({ key }) => key === event.key);
      if (view) go(view.path);
    } else if (event.key === "g") {
      setGoing(true);
      setTimeout(() => setGoing(false), 1_500);
    }
  });
}

function ClusterState(): ReactNode {
  const now = useStore(status);
  const { server, relayError } = useStore(connection);
  const connected = now?.nodes.filter(({ state }) => state === "connected").length ?? 0;
  const all = now?.nodes.length ?? 0;
  const isWell = server === "connected" && relayError === "" && connected === all;
  const text =
    server !== "connected" || relayError !== ""
      ? "not connected"
      : all === 0
        ? "connected"
        : `${connected === all ? all : `${connected}/${all}`} ${all === 1 ? "node" : "nodes"}`;
  return (
    <Popover
      className={classes("state-button", isWell ? "is-well" : "is-ill")}
      align="end"
      label={`Cluster: ${text}`}
      button={
        <>
          <span className="state-dot" aria-hidden="true" />
          <span>{text}</span>
          {isWell && now && (
            <span className="state-rate">{rate(now.relay.flowsPerSecond)} flows/s</span>
          )}
        </>
      }
    >
      {() => <ClusterDetails />}
    </Popover>
  );
}

function ClusterDetails(): ReactNode {
  const now = useStore(status);
  if (!now) return <p className="empty-note">The server has not answered yet.</p>;
  const { relay, nodes, kube } = now;
  return (
    <div className="cluster-details">
      <dl className="fields">
        <div className="value">
          <dt>Relay</dt>
          <dd className="mono">{visible(relay.address)}</dd>
        </div>
        <div className="value">
          <dt>State</dt>
          <dd>
            {relay.error === "" ? `answers, ${visible(relay.version)}` : visible(relay.error)}
          </dd>
        </div>
        <div className="value">
          <dt>Flows</dt>
          <dd>
            {count(relay.seenFlows)} seen, {short(relay.numFlows)} of {short(relay.maxFlows)} in
            memory
          </dd>
        </div>
        <div className="value">
          <dt>API server</dt>
          <dd>{kube === "" ? "answers" : kube === "none" ? "not given" : visible(kube)}</dd>
        </div>
      </dl>
      {nodes.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">State</th>
              <th scope="col" className="number">
                Seen
              </th>
              <th scope="col" className="number">
                Up
              </th>
            </tr>
          </thead>
          <tbody>
            {nodes.map(({ name, state, seenFlows, uptimeMs }) => (
              <tr key={name}>
                <td>{visible(name)}</td>
                <td className={state === "connected" ? "tone-ok" : "tone-drop"}>{state}</td>
                <td className="number">{short(seenFlows)}</td>
                <td className="number">{age(uptimeMs)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

const themeIcons = { auto: "auto", light: "sun", dark: "moon" } as const;
const themeTexts = { auto: "as the system", light: "light", dark: "dark" } as const;

function ThemeSwitch(): ReactNode {
  const name = useStore(theme);
  const next = themes[(themes.indexOf(name) + 1) % themes.length] ?? "auto";
  return (
    <IconButton
      icon={themeIcons[name]}
      label={`Colours: ${themeTexts[name]}. Change to ${themeTexts[next]}`}
      onClick={() => setTheme(next)}
    />
  );
}

const keyTexts: readonly (readonly [keys: string, what: string])[] = [
  ["/", "type a filter, or search"],
  ["g m", "to the map; f flows, p policies, e endpoints, i identities, s services"],
  ["↑ ↓", "through the flows; PgUp, PgDn, Home, End"],
  ["Space", "pause the list of flows, or go on"],
  ["← ↑ → ↓", "from card to card on the map; Enter selects"],
  ["+ − 0", "zoom the map; show all of it"],
  ["← →", "move the window on the time line; Home, End"],
  ["Esc", "close what is open"],
];

function KeysHelp(): ReactNode {
  return (
    <Popover className="icon-only wide-only" align="end" label="Keys" button={<Icon name="help" />}>
      {() => (
        <dl className="keys">
          {keyTexts.map(([keys, what]) => (
            <div key={keys + what}>
              <dt>
                {keys.split(" ").map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
      )}
    </Popover>
  );
}

/** Quiet unless something is wrong. */
function Banner(): ReactNode {
  const { server, relayError, unauthorized } = useStore(connection);
  let text = "";
  if (!unauthorized && server === "lost")
    text = "The page's server does not answer. Trying again …";
  else if (!unauthorized && server === "connected" && relayError)
    text = `Relay does not answer: ${relayError}. Trying again …`;
  return (
    <div className="banner-place" role="status">
      {text !== "" && (
        <p className="banner">
          <Icon name="warning" size={14} /> {visible(text)}
        </p>
      )}
    </div>
  );
}

function TokenForm(): ReactNode {
  const [text, setText] = useState("");
  return (
    <form
      className="token-form"
      onSubmit={(event) => {
        event.preventDefault();
        setToken(text.trim());
        location.reload();
      }}
    >
      <h1>A token, please</h1>
      <p>This server shows flows to those who know its token (its --token-file).</p>
      <input
        type="password"
        aria-label="Token"
        autoComplete="off"
        ref={(field) => field?.focus()}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit" className="button is-primary" disabled={text.trim() === ""}>
        Show the page
      </button>
    </form>
  );
}
