// Rows of HTTP requests by curl and nghttp.
import { answered, refused, type Row, type Target, type Told } from "./rows.ts";

export type Version = "1.0" | "1.1" | "2";

type HttpRequest = {
  readonly path: string;
  readonly method?: string;
  /** 1.1 if left out. */
  readonly version?: Version;
  readonly headers?: readonly string[];
  /** Further options of curl. */
  readonly options?: readonly string[] | ((to: Target) => readonly string[]);
  /** `{to}` if left out: what the URL names instead of the target's address. */
  readonly host?: string;
  readonly scheme?: "http" | "https";
  /** What flows call it, if not that. */
  readonly told?: { readonly url?: string; readonly headers?: string };
  readonly saw?: Row["saw"];
};

const curlOptions = ["-sSg", "-m", "5", "--path-as-is", "-w", "\n%{http_code} %{http_version}"];

const versionOptions = {
  "1.0": ["--http1.0"],
  "1.1": ["--http1.1"],
  "2": ["--http2-prior-knowledge"],
} as const;

/** By curl; `code` is what comes back. The server sees the path that it was asked for, unless told otherwise. */
export function curl(what: string, code: number, request: HttpRequest): Row {
  const {
    path,
    method = "GET",
    version = "1.1",
    headers = [],
    options = [],
    scheme = "http",
  } = request;
  const isTls = scheme === "https";
  const versions = isTls ? [version === "2" ? "--http2" : "--http1.1"] : versionOptions[version];
  return {
    what,
    ask: (to) => ({
      kind: "run",
      command: [
        "curl",
        ...curlOptions,
        ...(method === "HEAD" ? ["--head", "-o", "/dev/null"] : ["-X", method]),
        ...versions,
        ...headers.flatMap((header) => ["-H", header]),
        ...(typeof options === "function" ? options(to) : options),
        `${scheme}://${request.host === undefined ? to.authority : `${request.host}:${to.port}`}${path}`,
      ],
    }),
    // A server that knows HTTP/1.1 says so to older clients, too.
    comesTo: `${code} ${version === "1.0" ? "1.1" : version}`,
    ...(code === 200 && method !== "HEAD"
      ? { saw: { path, method, version: version === "2" ? "2.0" : version, ...request.saw } }
      : {}),
    flows: flowsOf(code, request),
  };
}

/** The same over every version of HTTP that there is. */
export function curlOfAllVersions(what: string, code: number, request: HttpRequest): Row[] {
  return (["1.0", "1.1", "2"] as const).map((version) =>
    curl(`${what}, HTTP/${version}`, code, { ...request, version }),
  );
}

/** By nghttp: HTTP/2 with prior knowledge. */
export function nghttp(what: string, code: number, path: string): Row {
  return {
    what: `${what}, by nghttp`,
    ask: (to) => ({
      kind: "run",
      command: ["nghttp", "-v", "--timeout=5", `http://${to.authority}${path}`],
    }),
    comesTo: String(code),
    flows: flowsOf(code, { path, version: "2" }),
  };
}

function flowsOf(code: number, request: HttpRequest): readonly Told[] {
  const { path, method = "GET", version = "1.1", host = "{to}", scheme = "http", told } = request;
  // What was refused is told as it came, the port as well.
  const port = code === 400 ? ":{port}" : "";
  const url = told?.url ?? `${scheme}://${host}${port}${request.saw?.path ?? path}`;
  const asked = `${method} ${url}${told?.headers === undefined ? "" : ` (${told.headers})`}`;
  if (code === 200) return answered(`HTTP/${version}`, code, asked);
  return refused(`HTTP/${version}`, code === 400 ? 400 : 403, asked);
}
