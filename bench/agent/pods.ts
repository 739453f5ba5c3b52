// Pods as a cluster has them: scheduled, running, with what a kubelet and an admission controller write into them.
import type { Pod } from "@tsilium/kube";

/** Number `number`, of any number, on one of a hundred nodes; some 2 KB of JSON. */
export function runningPod(number: number, namespace: string): Pod {
  const app = `app-${number % 500}`;
  const name = `${app}-7d4b9c6f5-${number.toString(36).padStart(5, "0")}`;
  const [high, low] = [(number >> 8) & 0xff, number & 0xff];
  const podIP = `10.${64 + (number >> 16)}.${high}.${low}`;
  const began = "2026-11-01T12:00:00Z";
  // More of it than our own types know.
  return {
    metadata: {
      name,
      namespace,
      labels: {
        app,
        tier: ["front", "back", "data"][number % 3] ?? "",
        "pod-template-hash": "7d4b9c6f5",
      },
      annotations: { "kubernetes.io/config.seen": began, "prometheus.io/scrape": "true" },
    },
    spec: {
      nodeName: `node-${number % 100}`,
      serviceAccountName: "default",
      restartPolicy: "Always",
      tolerations: [
        { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute" },
        { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" },
      ],
      containers: [container(number, { app, namespace })],
    },
    status: {
      phase: "Running",
      podIP,
      podIPs: [{ ip: podIP }, { ip: `fd00:64::${number.toString(16)}` }],
      startTime: began,
      conditions: ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map((type) => ({
        type,
        status: "True",
        lastTransitionTime: began,
      })),
      containerStatuses: [
        {
          name: "server",
          ready: true,
          restartCount: 0,
          image: `registry.example.com/shop/${app}:1.42.0`,
          containerID: `containerd://${number.toString(16).padStart(64, "0")}`,
          state: { running: { startedAt: began } },
        },
      ],
    },
  } as unknown as Pod;
}

function container(number: number, { app, namespace }: { app: string; namespace: string }) {
  // More of it than our own types know.
  return {
    name: "server",
    image: `registry.example.com/shop/${app}:1.${number % 7}.0`,
    ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }],
    env: [
      { name: "LOG_LEVEL", value: "info" },
      { name: "DATABASE_URL", value: `postgres://db.${namespace}.svc.cluster.local:5432/shop` },
    ],
    resources: {
      requests: { cpu: "100m", memory: "128Mi" },
      limits: { cpu: "500m", memory: "256Mi" },
    },
    readinessProbe: { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 10 },
  };
}
