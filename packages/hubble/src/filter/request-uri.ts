// The path of a URL as HTTP flows have them: of a request line ("/a?b", "*") or whole ("http://host/a?b"). Go's
// url.ParseRequestURI decides what is one, since Cilium's filters do so.

const scheme = /^[a-zA-Z][-+.0-9a-zA-Z]*:/;

/** The path, percent-decoded ("/a b" of "http://host/a%20b?c"), "" where there is none; undefined: not a URL. */
export function requestPath(url: string): string | undefined {
  // oxlint-disable-next-line no-control-regex -- these are what must not be there
  if (url === "" || /[\u0000-\u0020\u007f]/.test(url)) return undefined;
  if (url === "*") return "*";
  const found = scheme.exec(url)?.[0] ?? "";
  const rest = url.slice(found.length).split("?", 1)[0] as string;
  if (!rest.startsWith("/")) return found === "" ? undefined : "";
  if (found === "" || !rest.startsWith("//")) return decodePath(rest);
  const slash = rest.indexOf("/", 2);
  return slash < 0 ? "" : decodePath(rest.slice(slash));
}

const decoder = new TextDecoder();

function decodePath(path: string): string | undefined {
  if (!path.includes("%")) return path;
  if (/%(?![0-9a-fA-F]{2})/.test(path)) return undefined;
  // By bytes: "%ff" is none of UTF-8, which decodeURIComponent refuses and a regular expression sees as U+FFFD.
  const bytes = Buffer.from(path, "utf8");
  const decoded = new Uint8Array(bytes.length);
  let length = 0;
  for (let index = 0; index < bytes.length; index++) {
    let byte = bytes[index] as number;
    if (byte === 0x25) {
      byte = Number.parseInt(bytes.toString("latin1", index + 1, index + 3), 16);
      index += 2;
    }
    decoded[length++] = byte;
  }
  return decoder.decode(decoded.subarray(0, length));
}
