// Services in a test node's maps, put there by the agent's own writer, for both families at once.
import type { BpfMap } from "@tsilium/ebpf";
import type {
  ServiceException,
  ServiceSurvey,
  SourceRange,
} from "../../packages/datapath/src/model.ts";
import { ServiceMaps } from "../../packages/datapath/src/services/service-maps.ts";
import { flowTables, serviceTables } from "../../packages/datapath/src/services/tables.ts";
import { keyText, Numbers, type RowNumbers, ServiceRows } from "./service-rows.ts";
import { type Place, type ProtocolName, protocols, type ServiceSpec } from "./service-spec.ts";
import type { Family } from "./world.ts";

export type SceneOptions = {
  readonly maglevTableSize?: number;
  /** Numbers of backends start here. */
  readonly firstBackend?: number;
};

const nothing: ServiceSurvey = {
  backends: [],
  sets: [],
  frontends: [],
  sourceRanges: [],
  exceptions: [],
};

export class ServiceScene {
  readonly maps: ServiceMaps;
  readonly #frontends: Numbers;
  readonly #sets: Numbers;
  readonly #backends: Numbers;
  readonly #maglevTableSize: number;
  #present: ServiceSurvey = nothing;

  constructor(source: { map(name: string): BpfMap }, options: SceneOptions = {}) {
    const maps = { get: (name: string) => source.map(name) };
    this.maps = new ServiceMaps(serviceTables(maps), flowTables(maps));
    this.#frontends = new Numbers(1);
    this.#sets = new Numbers(1);
    this.#backends = new Numbers(options.firstBackend ?? 1);
    this.#maglevTableSize = options.maglevTableSize ?? 251;
  }

  /** Exactly these services. What was there before keeps its numbers. */
  set(services: readonly ServiceSpec[]): void {
    const wanted = new ServiceRows(this.#numbersOf(), this.#maglevTableSize);
    for (const service of services) wanted.add(service);
    const { survey } = wanted;
    const delta = <T>(put: readonly T[], before: readonly T[], keyOf: (row: T) => unknown) => {
      const kept = new Set(put.map(keyOf));
      return { put, remove: before.filter((row) => !kept.has(keyOf(row))) };
    };
    const idOf = ({ id }: { readonly id: number }) => id;
    const textOf = (row: SourceRange | ServiceException) =>
      Object.values(row).map(String).join(" ");
    this.maps.apply({
      backends: delta(survey.backends, this.#present.backends, idOf),
      sets: delta(survey.sets, this.#present.sets, idOf),
      frontends: delta(survey.frontends, this.#present.frontends, idOf),
      sourceRanges: delta(survey.sourceRanges, this.#present.sourceRanges, textOf),
      exceptions: delta(survey.exceptions, this.#present.exceptions, textOf),
    });
    this.#present = survey;
  }

  frontendId(family: Family, place: Place, protocol: ProtocolName = "tcp"): number {
    return this.#frontends.of(keyText(family, place, protocols[protocol]));
  }

  #numbersOf(): RowNumbers {
    return { frontends: this.#frontends, sets: this.#sets, backends: this.#backends };
  }
}
