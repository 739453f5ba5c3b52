// The services of a running node, written from here: its pinned maps by their names.
import { ServiceMaps } from "../../packages/datapath/src/services/service-maps.ts";
import { flowTables, serviceTables } from "../../packages/datapath/src/services/tables.ts";
import { Pins } from "../../packages/datapath/src/pinned/pins.ts";
import { BpfMap } from "@tsilium/ebpf";

/** Nobody else may write services of that node meanwhile. */
export function openServiceMaps(bpffs: string): { readonly maps: ServiceMaps } & Disposable {
  const opened = new DisposableStack();
  const pins = new Pins(bpffs).listMaps();
  const get = (name: string): BpfMap => {
    const pin = pins.find((one) => one.map === name);
    if (pin === undefined) throw new Error(`no map ${name} is pinned under ${bpffs}`);
    return opened.use(BpfMap.fromPinned(pin.path));
  };
  const maps = new ServiceMaps(serviceTables({ get }), flowTables({ get }));
  return { maps, [Symbol.dispose]: () => opened.dispose() };
}
