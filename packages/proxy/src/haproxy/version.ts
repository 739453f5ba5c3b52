// What the running HAProxy says of itself ("show info").

export type Info = {
  /** "haproxy 2.6.12" */
  readonly engine: string;
  readonly pid: number;
  readonly connections: number;
  readonly droppedLogs: number;
};

/** Pure. What is missing is 0 or left out. */
export function readInfo(text: string): Info {
  const fields = new Map(
    text.split("\n").map((line) => {
      const at = line.indexOf(": ");
      return [line.slice(0, at), line.slice(at + 2).trim()] as const;
    }),
  );
  const number = (name: string) => Number(fields.get(name) ?? 0) || 0;
  const version = /^\d+(?:\.\d+)*/.exec(fields.get("Version") ?? "")?.[0];
  return {
    engine: version === undefined ? "haproxy" : `haproxy ${version}`,
    pid: number("Pid"),
    connections: number("CurrConns"),
    droppedLogs: number("DroppedLogs"),
  };
}
