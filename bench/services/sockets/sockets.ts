// What the programs at connect() cost a socket: one that asks for a service, one that asks for a pod, and one that runs
// outside of the node's cgroup and meets no program.
import { measure } from "../../path/netbench.ts";
import type { Section } from "../../report.ts";
import { median, shuffled } from "../../statistics.ts";
import { TsiliumScene } from "../paths/tsilium-scene.ts";
import type { RoundOptions } from "../paths/rounds.ts";

/** By number of services. */
export async function benchSockets(
  sizes: readonly number[],
  { rounds, durationMs }: RoundOptions,
): Promise<Section[]> {
  await using scene = await TsiliumScene.up();
  const sentences = Object.keys(scene.questions) as (keyof TsiliumScene["questions"])[];
  const columns: number[][] = [];
  for (const size of sizes) {
    scene.hold(size);
    const taken = new Map(sentences.map((sentence) => [sentence, [] as number[]]));
    for (let round = 0; round < rounds; round++)
      for (const sentence of shuffled(sentences)) {
        const { client, target } = scene.questions[sentence];
        const { netns, ...where } = client;
        const options = {
          ...where,
          address: target.address,
          port: String(target.port),
          durationMs,
        };
        const { p50Ns } = await measure(netns, { kind: "connect", ...options });
        taken.get(sentence)?.push(p50Ns);
      }
    columns.push(sentences.map((sentence) => median(taken.get(sentence) ?? [])));
  }
  const floor = sentences.indexOf("no program");
  const rows = sentences.map((sentence, row) => [
    sentence,
    ...columns.flatMap((column) => [
      Math.round(column[row] as number),
      Math.round((column[row] as number) - (column[floor] as number)),
    ]),
  ]);
  return [
    {
      title: "connect() of a datagram socket",
      note: `ns for a socket made, connected and closed, and what is more than with no program; p50, median of ${rounds} rounds of ${durationMs} ms.`,
      columns: ["", ...sizes.flatMap((size) => [size.toLocaleString("en"), "more"])],
      rows,
    },
  ];
}
