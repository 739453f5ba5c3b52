// How proxies are, a part for each that somebody needs.
import type { PartHealth } from "@tsilium/runtime";
import type { SeatReport } from "./model.ts";

const patience = "nothing that its rules are about passes";

/** Parts of the agent's health; proxies that nobody needs are told of in one. */
export function proxyHealth(reports: readonly SeatReport[]): PartHealth[] {
  const needed = reports.filter(({ state, listeners }) => state !== "idle" || listeners.length > 0);
  if (needed.length === 0)
    return [{ name: "proxy", state: "ok", message: "no policy has rules at L7: none runs" }];
  return needed.map((report) => ({ name: `proxy ${report.name}`, ...seatHealth(report) }));
}

function seatHealth(report: SeatReport): Omit<PartHealth, "name"> {
  const { state, listeners, problem, pid, restarts, engine } = report;
  if (state === "waiting" || (state !== "running" && problem !== undefined))
    return { state: "degraded", message: `${problem}; ${patience}` };
  const [refused] = listeners.filter((listener) => listener.problem !== undefined);
  if (refused)
    return {
      state: "degraded",
      message: `listener ${refused.port} lets nothing through: ${refused.problem}`,
    };
  if (problem !== undefined) return { state: "degraded", message: problem };
  if (state !== "running") return { state: "degraded", message: "starting" };
  const behind = listeners.filter(({ version, acknowledged }) => acknowledged !== version).length;
  const pending = behind === 0 ? "" : `, ${behind} not acknowledged yet`;
  const again =
    restarts === 0 ? "" : `, started anew ${restarts === 1 ? "once" : `${restarts} times`}`;
  const sets = listeners.length === 1 ? "1 rule set" : `${listeners.length} rule sets`;
  return {
    state: "ok",
    message: `${engine}, process ${pid}, ${sets}${pending}${again}`,
  };
}
