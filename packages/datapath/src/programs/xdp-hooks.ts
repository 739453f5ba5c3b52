// Services at the earliest point, the drivers of the underlay's devices (XDP). What cannot be had there is done at the
// same devices by tc, later and dearer: a refusal is told of, and nothing stops.
import { Link, loadCollection } from "@tsilium/ebpf";
import type { Collection, Program } from "@tsilium/ebpf";
import { DatapathError } from "../errors.ts";
import type { PartStatus, ServiceConfig } from "../model.ts";
import { linkState, placeLink, removeLink } from "./pinned-link.ts";
import type { LinkPlace } from "./pinned-link.ts";
import { withConstants } from "./set-constants.ts";
import type { ServiceProgramParts } from "./socket-hooks.ts";
import { whyNot } from "./why-not.ts";

type Parts = ServiceProgramParts & {
  /** Index by name. */
  readonly underlay: ReadonlyMap<string, number>;
};
type Mode = "native" | "generic";

/** A device's hook: how it is, or was not to be had. */
export type XdpState = {
  readonly device: string;
  readonly mode: Mode;
  readonly problem: string | undefined;
};

export class XdpHooks implements Disposable {
  readonly #parts: Omit<Parts, "underlay">;
  readonly #mode: Mode | undefined;
  #underlay: Parts["underlay"];
  /** By device. */
  readonly #problems = new Map<string, string>();
  #loaded: Collection | undefined;
  #loadProblem: string | undefined;

  private constructor({ underlay, ...parts }: Parts) {
    this.#parts = parts;
    this.#underlay = underlay;
    this.#mode = wantedMode(parts.services);
  }

  /** Loads the program if the configuration asks for it. Nothing is attached yet. */
  static load(parts: Parts): XdpHooks {
    const hooks = new XdpHooks(parts);
    const problem = hooks.#mode && whyNot(() => hooks.#load());
    hooks.#loadProblem = problem;
    if (problem !== undefined)
      for (const device of parts.underlay.keys()) hooks.#fail(device, problem);
    return hooks;
  }

  /** Attaches at every device, replacing in place; links of other modes and devices are taken off first. */
  attach(): void {
    const places = this.#places();
    const kept = new Set(places.map(({ place }) => place.pin));
    for (const pin of this.#parts.pins.listXdpLinks()) if (!kept.has(pin)) removeLink(pin);
    for (const { device, place } of places) {
      const problem = whyNot(() => placeLink(this.#program(), place));
      if (problem === undefined) this.#problems.delete(device);
      else this.#fail(device, problem);
    }
  }

  /** Attaches at these devices, and at no others from now on. */
  useDevices(underlay: Parts["underlay"]): void {
    const fresh = [...underlay.keys()].filter((device) => !this.#underlay.has(device));
    this.#underlay = underlay;
    for (const device of this.#problems.keys())
      if (!underlay.has(device)) this.#problems.delete(device);
    if (this.#loadProblem === undefined) this.attach();
    else for (const device of fresh) this.#fail(device, this.#loadProblem);
  }

  detach(): void {
    for (const pin of this.#parts.pins.listXdpLinks()) removeLink(pin);
  }

  /** Every device that is asked for. */
  states(): XdpState[] {
    const mode = this.#mode;
    if (mode === undefined) return [];
    return Array.from(this.#underlay.keys(), (device) => ({
      device,
      mode,
      problem: this.#problems.get(device) ?? this.#fault(device),
    }));
  }

  /** One line per device. With best-effort a device without is as good as one with. */
  status(): PartStatus[] {
    const optional = this.#parts.services.acceleration === "best-effort";
    return this.states().map(({ device, mode, problem }) => ({
      name: `link ${device} xdp`,
      ok: problem === undefined || (optional && this.#problems.has(device)),
      message: problem === undefined ? mode : `none: ${problem}`,
    }));
  }

  [Symbol.dispose](): void {
    this.#loaded?.[Symbol.dispose]();
    this.#loaded = undefined;
  }

  #load(): void {
    const { spec, constants, maps } = this.#parts;
    if (spec === undefined) throw new DatapathError("object_missing", "there is no xdp.o");
    this.#loaded = loadCollection(withConstants(spec, constants), {
      maps: Object.fromEntries(maps),
      programs: ["tsi_xdp"],
    });
  }

  #program(): Program {
    if (this.#loaded === undefined)
      throw new DatapathError("object_missing", "tsi_xdp is not loaded");
    return this.#loaded.program("tsi_xdp");
  }

  /** What is wrong with a link that was attached. */
  #fault(device: string): string | undefined {
    const place = this.#places().find((found) => found.device === device)?.place;
    if (place === undefined) return "not loaded";
    const { attached, programId } = linkState(place);
    if (!attached) return "not attached";
    return programId === this.#program().info().id ? undefined : "runs another program";
  }

  #fail(device: string, problem: string): void {
    this.#problems.set(device, problem);
    this.#parts.log.warn({ device, problem }, "no XDP here, its packets are balanced by tc");
  }

  #places(): { readonly device: string; readonly place: LinkPlace }[] {
    const mode = this.#mode;
    if (mode === undefined || this.#loaded === undefined) return [];
    return Array.from(this.#underlay, ([device, index]) => ({
      device,
      place: {
        pin: this.#parts.pins.xdpLink(device, mode),
        fits: ({ ifindex }) => ifindex === index,
        attach: (program) => Link.attachXdp(program, index, mode),
      },
    }));
  }
}

function wantedMode({ nodePort, acceleration }: ServiceConfig): Mode | undefined {
  if (!nodePort || acceleration === "disabled") return undefined;
  return acceleration === "generic" ? "generic" : "native";
}
