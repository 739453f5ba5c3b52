// A shop: the scene of tests and pictures. Some of what its pods try is denied.
import { type PolicyName, reserved, type Scene, type Talk, workload } from "./scene.ts";

const cnp = (namespace: string, name: string): PolicyName => ({
  kind: "CiliumNetworkPolicy",
  namespace,
  name,
});

export const shopPolicies = {
  defaultDeny: { kind: "NetworkPolicy", namespace: "data", name: "default-deny" },
  postgres: cnp("data", "postgres"),
  payment: cnp("shop", "payment"),
} as const;

export function shopScene(): Scene {
  const parties = new Map(
    Object.entries({
      gateway: workload("ingress", "gateway", { pods: 2, kind: "DaemonSet" }),
      frontend: workload("shop", "frontend", { pods: 4 }),
      cart: workload("shop", "cart", { pods: 2 }),
      catalog: workload("shop", "catalog", { pods: 3 }),
      checkout: workload("shop", "checkout", { pods: 2 }),
      payment: workload("shop", "payment", { pods: 2 }),
      recommend: workload("shop", "recommendation", { pods: 1 }),
      email: workload("shop", "email", { pods: 1 }),
      postgres: workload("data", "postgres", { pods: 3, kind: "StatefulSet", subnet: 4 }),
      redis: workload("data", "redis", { pods: 1, kind: "StatefulSet", subnet: 4 }),
      kafka: workload("data", "kafka", { pods: 3, kind: "StatefulSet", subnet: 4 }),
      prometheus: workload("monitoring", "prometheus", { pods: 1, kind: "StatefulSet", subnet: 6 }),
      grafana: workload("monitoring", "grafana", { pods: 1, subnet: 6 }),
      report: workload("analytics", "report", { pods: 1, kind: "CronJob", subnet: 8 }),
      coredns: workload("kube-system", "coredns", { pods: 2, subnet: 10 }),
      world: reserved("world", 2, "203.0.113.10"),
      stripe: reserved("world", 2, "198.51.100.7", "api.payments.example"),
      apiserver: reserved("kube-apiserver", 7, "172.18.0.1"),
      host: reserved("host", 1, "172.18.0.2"),
    }),
  );
  const party = (name: string) => {
    const found = parties.get(name);
    if (!found) throw new Error(`nobody is called ${name}`);
    return found;
  };
  const talk = (names: string, port: number, weight: number, more: Partial<Talk> = {}): Talk => {
    const [from = "", to = ""] = names.split(" > ");
    return { from: party(from), to: party(to), protocol: "tcp", port, weight, ...more };
  };
  const talks = [
    talk("world > gateway", 443, 60),
    talk("gateway > frontend", 8080, 60, { service: "shop/frontend" }),
    talk("frontend > catalog", 9000, 50, { service: "shop/catalog" }),
    talk("frontend > cart", 7070, 30, { service: "shop/cart" }),
    talk("frontend > recommend", 8081, 14, { service: "shop/recommendation" }),
    talk("frontend > checkout", 5050, 9, { service: "shop/checkout" }),
    talk("checkout > payment", 50051, 8, { service: "shop/payment" }),
    talk("checkout > email", 5000, 5, { service: "shop/email" }),
    talk("checkout > cart", 7070, 8, { service: "shop/cart" }),
    talk("checkout > kafka", 9092, 7, { service: "data/kafka" }),
    talk("payment > stripe", 443, 6),
    talk("cart > redis", 6379, 34, { service: "data/redis" }),
    talk("catalog > postgres", 5432, 26, { service: "data/postgres" }),
    talk("recommend > catalog", 9000, 9, { service: "shop/catalog" }),
    talk("prometheus > frontend", 9090, 3),
    talk("prometheus > catalog", 9090, 3),
    talk("prometheus > postgres", 9187, 2),
    talk("prometheus > apiserver", 6443, 2),
    talk("grafana > prometheus", 9090, 4, { service: "monitoring/prometheus" }),
    talk("frontend > coredns", 53, 12, { protocol: "udp", service: "kube-system/kube-dns" }),
    talk("checkout > coredns", 53, 6, { protocol: "udp", service: "kube-system/kube-dns" }),
    talk("coredns > apiserver", 6443, 2),
    talk("host > frontend", 8080, 3),
    talk("report > postgres", 5432, 5, {
      drop: { kind: "default-deny", policies: [shopPolicies.defaultDeny, shopPolicies.postgres] },
    }),
    talk("frontend > payment", 50051, 2, {
      drop: { kind: "deny-rule", policy: shopPolicies.payment, path: "spec.ingressDeny[0]" },
    }),
    talk("report > kafka", 9092, 1, { drop: { kind: "reason", code: 158 } }),
  ];
  return { parties, talks };
}

/** Namespaces of `size` workloads each, which talk to each other and to some of other namespaces. */
export function largeScene(workloads: number, size = 20): Scene {
  const parties = new Map<string, ReturnType<typeof workload>>();
  for (let at = 0; at < workloads; at++) {
    const namespace = `team-${String(Math.floor(at / size) + 1).padStart(2, "0")}`;
    parties.set(`w${at}`, workload(namespace, `service-${at % size}`, { pods: 3 }));
  }
  const all = [...parties.values()];
  const talks: Talk[] = [];
  const add = (from: number, to: number, more: Partial<Talk> = {}) => {
    const source = all[from];
    const destination = all[to % all.length];
    if (source && destination && source !== destination)
      talks.push({
        from: source,
        to: destination,
        protocol: "tcp",
        port: 8000 + (to % 50),
        weight: 1,
        ...more,
      });
  };
  for (let at = 0; at < workloads; at++) {
    const home = Math.floor(at / size) * size;
    add(at, home + ((at * 7 + 3) % size));
    add(at, home + ((at * 11 + 5) % size));
    if (at % 4 === 0) add(at, at * 13 + 41);
    if (at % 25 === 0)
      add(at, at + 3, {
        port: 5432,
        drop: { kind: "default-deny", policies: [shopPolicies.postgres] },
      });
  }
  return { parties, talks };
}
