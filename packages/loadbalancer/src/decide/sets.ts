// Backend sets of one service port and family. Made when a frontend asks, so that each is made once and shared.
import type {
  BackendPool,
  DecidedBackend,
  DecidedSet,
  ServiceProtocol,
  ServiceWarning,
} from "../model.ts";
import { addWarning } from "../kube/field.ts";
import type { ParsedService } from "../kube/service.ts";
import type { DecideContext } from "./context.ts";
import type { SetScope } from "./scopes.ts";
import { chooseCluster, chooseLocal, isServed } from "./choose.ts";

export type SetMaker = {
  readonly service: ParsedService;
  readonly context: DecideContext;
  readonly protocol: ServiceProtocol;
  readonly pool: BackendPool;
  readonly heedsHints: boolean;
  /** Which of its sets clients from outside are hashed over. */
  readonly maglevScopes: ReadonlySet<SetScope>;
  readonly warnings: ServiceWarning[];
};

export class PortSets {
  readonly #maker: SetMaker;
  readonly #made = new Map<string, DecidedSet>();

  constructor(maker: SetMaker) {
    this.#maker = maker;
  }

  /** The set for a frontend with this port. */
  get(scope: SetScope, frontendPort: number): DecidedSet {
    const key = this.#keyOf(scope, frontendPort);
    const known = this.#made.get(key);
    if (known) return known;
    const made = this.#make(key, scope, frontendPort);
    this.#made.set(key, made);
    return made;
  }

  #keyOf(scope: SetScope, frontendPort: number): string {
    const { pool } = this.#maker;
    return this.#isSctp ? `${pool.key}/${scope}/at-${frontendPort}` : `${pool.key}/${scope}`;
  }

  get #isSctp(): boolean {
    return this.#maker.protocol === 132;
  }

  #make(key: string, scope: SetScope, frontendPort: number): DecidedSet {
    const { service, context, pool, heedsHints, maglevScopes } = this.#maker;
    const choose = scope === "cluster" ? chooseCluster : chooseLocal;
    const usable = this.#usableAt(frontendPort);
    return {
      key,
      backends: choose(usable, { facts: context.facts, heedsHints }),
      affinityTimeoutS: service.affinityTimeoutS,
      silent:
        context.settings.noBackendResponse === "drop" ||
        (scope === "local-silent" && isServed(pool.backends)),
      maglev: maglevScopes.has(scope),
    };
  }

  /** The kernel cannot redo SCTP's checksum over a packet with another port. */
  #usableAt(frontendPort: number): readonly DecidedBackend[] {
    const { pool, warnings } = this.#maker;
    if (!this.#isSctp) return pool.backends;
    const usable = pool.backends.filter(({ port }) => port === frontendPort);
    const leftOut = pool.backends.length - usable.length;
    if (leftOut > 0)
      addWarning(warnings, {
        path: "spec.ports",
        message: `SCTP port ${frontendPort}: ${leftOut} endpoints have another port, which SCTP cannot be given: not used`,
      });
    return usable;
  }
}
