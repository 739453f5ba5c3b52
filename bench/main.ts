// npm run bench: every number the project claims, measured here and now against a floor of the same run.
//   node bench/main.ts [--only path,programs,pods] [--rounds N] [--ms N] [--pods N] [--json]
import { parseArgs } from "node:util";
import { benchPath } from "./path/path.ts";
import { benchPods } from "./pods/pods.ts";
import { benchPrograms } from "./programs/programs.ts";
import { formatSection, type Section } from "./report.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "path,programs,pods" },
    rounds: { type: "string", default: "7" },
    ms: { type: "string", default: "300" },
    pods: { type: "string", default: "200" },
    json: { type: "boolean", default: false },
  },
});

const benches: Record<string, () => Promise<Section[]>> = {
  path: () =>
    benchPath({
      rounds: Number(values.rounds),
      durationMs: Number(values.ms),
      families: ["IPv4", "IPv6"],
    }),
  pods: () => benchPods({ pods: Number(values.pods) }),
  programs: async () => benchPrograms({ rounds: Number(values.rounds) }),
};

const sections: Section[] = [];
for (const name of values.only.split(",")) {
  const found = await (benches[name] as () => Promise<Section[]>)();
  if (!values.json) for (const section of found) console.log(formatSection(section));
  sections.push(...found);
}
if (values.json) console.log(JSON.stringify(sections, null, 1));
