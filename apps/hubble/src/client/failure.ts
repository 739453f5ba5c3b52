// What went wrong with a server, and what to do about it.
import { Code, ConnectError } from "@connectrpc/connect";
import { CommandError } from "../../../cli/src/failure.ts";
import { printable } from "../../../cli/src/output.ts";
import { defaultAddress } from "./server-address.ts";

type Explanation = readonly [message: string, hint: string];

/** The error of a call as its user needs it. What is no error of a call stays what it is. */
export function callFailure(error: unknown, address: string): unknown {
  if (!(error instanceof ConnectError)) return error;
  const [message, hint] = explain(error, address);
  return new CommandError(message, hint === "" ? undefined : hint, { cause: error });
}

function explain(error: ConnectError, address: string): Explanation {
  const said = printable(error.rawMessage);
  switch (error.code) {
    case Code.Unavailable:
      return unreachable(error, address);
    case Code.DeadlineExceeded:
      return [
        `${address} gave no answer in time`,
        "It may be overloaded or hang; --request-timeout and --timeout allow for more time.",
      ];
    case Code.Unimplemented:
      return [
        `${address} does not know this call${said === "" ? "" : `: ${said}`}`,
        "Relay knows flows, nodes and namespaces; ask a node's own server for the rest: --server unix:///var/run/tsilium/hubble.sock, in a lab unix:///var/run/tsilium/lab/NAME/node-1/hubble.sock",
      ];
    case Code.InvalidArgument:
      return [
        said,
        "`hubble observe --help` explains the flags; --print-raw-filters shows what was asked.",
      ];
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return [
        `${address} refuses: ${said}`,
        `It may want a client certificate. ${giveCertificate}`,
      ];
    default:
      return [`${address}: ${said === "" ? `the call failed (${Code[error.code]})` : said}`, ""];
  }
}

function unreachable(error: ConnectError, address: string): Explanation {
  const { code, text } = rootOf(error);
  const said = printable(openSslReason(text));
  const failed = `cannot reach ${address}`;
  const byCode = connectionFaults(failed, address)[code];
  if (byCode) return byCode;
  if (/alert (certificate|bad certificate|unknown ca|handshake)/i.test(text))
    return [`${address} does not take this client's certificate: ${said}`, giveCertificate];
  if (/^ERR_SSL_|^EPROTO$/.test(code))
    return [
      `${failed}: it speaks no TLS (${said})`,
      "Ask it without --tls and tls://, or see that it has certificates.",
    ];
  // Without a code it was the server's own word, or the end of a stream that had begun.
  return [code === "" ? `${address}: ${said}` : `${failed}: ${said}`, whyEnded(address)];
}

function whyEnded(address: string): string {
  if (address.startsWith("unix:")) return "It starts or stops just now: try again.";
  return address.startsWith("tls://")
    ? `If it ended the connection, it may not take this client's certificate. ${giveCertificate}`
    : "If it ended the connection, it may want TLS: --tls, or tls:// before the address. Or it starts or stops just now.";
}

const giveCertificate =
  "Give one of its authority: --tls-client-cert-file FILE --tls-client-key-file FILE";

function connectionFaults(failed: string, address: string): Readonly<Record<string, Explanation>> {
  const untrusted: Explanation = [
    `${failed}: its certificate is of no authority that is trusted here`,
    "Name the authority's certificate with --tls-ca-cert-files FILE.",
  ];
  return {
    ENOENT: [
      `${failed}: there is no such socket`,
      "Is the server up? In a lab `tsilium lab status` says so.",
    ],
    ECONNREFUSED: [
      `${failed}: nobody listens there`,
      address === defaultAddress
        ? noServer()
        : "Is it up? In a lab `tsilium lab status` says so; other servers are named with --server or HUBBLE_SERVER.",
    ],
    EACCES: [`${failed}: the socket belongs to another user`, "Try again with sudo."],
    EPERM: [`${failed}: the socket belongs to another user`, "Try again with sudo."],
    ENOTFOUND: [`${failed}: no such host`, "Name the server with --server HOST:PORT."],
    EAI_AGAIN: [
      `${failed}: DNS gives no answer`,
      "Name the server by its address: --server 172.18.0.1:4245",
    ],
    ETIMEDOUT: [
      `${failed}: no answer`,
      "A firewall or policy may be in between; --timeout allows for more time.",
    ],
    EHOSTUNREACH: [`${failed}: no route to it`, "Name another server with --server."],
    ENETUNREACH: [`${failed}: no route to it`, "Name another server with --server."],
    ERR_TLS_CERT_ALTNAME_INVALID: [
      `${failed}: its certificate is for another name`,
      "Say which name to expect: --tls-server-name instance.hubble-relay.cilium.io",
    ],
    CERT_HAS_EXPIRED: [
      `${failed}: its certificate has expired`,
      "Have it renewed; is the clock right?",
    ],
    CERT_NOT_YET_VALID: [`${failed}: its certificate is not valid yet`, "Is the clock right?"],
    DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
    SELF_SIGNED_CERT_IN_CHAIN: untrusted,
    UNABLE_TO_GET_ISSUER_CERT: untrusted,
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
    CERT_SIGNATURE_FAILURE: untrusted,
  };
}

/** "40D3...:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:..." -> what it says. */
function openSslReason(text: string): string {
  return /:SSL routines:[^:]*:([^:]+):/.exec(text)?.[1] ?? text;
}

/** Nothing was named, and no lab's relay was found. */
function noServer(): string {
  const lab =
    process.geteuid?.() === 0
      ? "No lab's relay is here: `tsilium lab up --wait` starts one"
      : "A lab's relay belongs to root: try again with sudo";
  return `${lab}; other servers are named with --server or HUBBLE_SERVER.`;
}

/** The innermost error with a code: what the system or TLS said. */
function rootOf(error: ConnectError): { code: string; text: string } {
  let found = { code: "", text: error.rawMessage };
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === "string") found = { code, text: at.message };
  }
  return found;
}
