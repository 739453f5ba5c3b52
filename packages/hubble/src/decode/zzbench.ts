import { ether } from "@tsilium/net";
import { eventKind } from "@tsilium/datapath";
import { scene, packetRecord, web, db, cart, memoryOf, world } from "./testing/world.ts";
import { ObservationPoint, TraceReason, type Flow } from "../model.ts";
import { Enricher, type EnrichItem } from "../enrich/index.ts";

const s = scene();
// 200 pods, 1000 remote
for (let i = 0; i < 100; i++) s.enricher.apply({kind:"endpoint", id: 100+i, identity: 5000+i, ipv4:`10.244.0.${100+i}`, ipv6: undefined, labels:["k8s:app=x","k8s:b=c"], namespace:"n", podName:`p${i}`, workloads:[{kind:"Deployment",name:"d"}], ifindex:100+i, interfaceName:`lxc${i}`, netnsCookie: BigInt(1000+i)});
for (let i = 0; i < 2000; i++) s.enricher.apply({kind:"address", prefix:`10.245.${i>>8}.${i&255}/32`, identity: 5000+(i%300), namespace:"n", podName:`r${i}`});
for (let i = 0; i < 300; i++) s.enricher.apply({kind:"identity", id: 5000+i, labels:["k8s:app=x"+i,"k8s:b=c"]});
const records: Uint8Array[] = [];
for (let i = 0; i < 4096; i++) {
  const v6 = i % 8 === 0;
  const f = ether({src:"02:00:00:00:00:01", dst:"02:00:00:00:00:02"});
  const j = (i*7919)%2000;
  const p = v6 ? f.ipv6({src: web.ipv6, dst: cart.ipv6}) : f.ipv4({src:`10.244.0.${100+i%100}`, dst:`10.245.${j>>8}.${j&255}`});
  const q = i % 3 === 0 ? p.udp({sport: 1000+i, dport: 53}) : p.tcp({sport: 1000+i, dport: 80, flags:["ACK"]});
  const kind = i % 10 === 0 ? eventKind.drop : eventKind.trace;
  records.push(packetRecord({kind, code: kind===eventKind.drop?133:ObservationPoint.toOverlay, reason: TraceReason.established, endpointId: v6?7:100+i%100, rule: kind===eventKind.drop?2:0, ifindex: 12, sourceIdentity: v6?4711:5000+i%100, destinationIdentity: v6?4713:5000+j%300}, q.bytes()));
}
const all = new Uint8Array(records.length*192);
records.forEach((r,i)=>all.set(r,i*192));
const memory = memoryOf(all);
for (let round = 0; round < 12; round++) {
  const t = process.cpuUsage(), t0 = performance.now();
  let n = 0;
  let out: Flow[] = [];
  for (let k = 0; k < 50; k++) {
    out = []; if (process.env.CHURN) s.enricher.apply({kind:"address", prefix:`10.246.${k}.1/32`, identity: 5000, namespace:"n", podName:`q${k}`});
    for (let i = 0; i < 4096; i++) s.decoder.decode(memory, i*192, 184, out);
    n += out.length;
  }
  const ms = performance.now()-t0; const u = process.cpuUsage(t);
  console.log(Math.round(n/ms*1000), "flows/s wall", Math.round(n/(u.user+u.system)*1e6), "per cpu-s", (process.memoryUsage().heapUsed/1e6).toFixed(0));
}
