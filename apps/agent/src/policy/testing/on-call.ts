// Looks over the engine's shoulder: something is done before every call of the policy maps.
import type { PolicyKernel } from "../kernel.ts";

/** For `Bench.restart`. `look` may throw, as a process that is killed at this very call. */
export function onCall(look: (method: string) => void): (kernel: PolicyKernel) => PolicyKernel {
  return (kernel) => ({
    survey: () => kernel.survey(),
    endpoints: () => kernel.endpoints(),
    maps: new Proxy(kernel.maps, {
      get(target, property) {
        const value: unknown = Reflect.get(target, property, target);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          look(String(property));
          return value.apply(target, args);
        };
      },
    }),
  });
}
