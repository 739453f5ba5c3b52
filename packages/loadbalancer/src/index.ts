// Services: from Kubernetes' objects to the rows of the kernel's tables.
export * from "./model.ts";
export type { DecideContext, LocalPod, ServiceContext } from "./decide/context.ts";
export { decideHostPorts } from "./decide/host-ports.ts";
export { decideRedirect } from "./decide/redirect.ts";
export { decideService } from "./decide/service.ts";
export { redirectedService } from "./kube/redirect-policy.ts";
export { sliceService } from "./kube/slice.ts";
export { ServiceBook, type ServiceBookOptions } from "./book/book.ts";
export { healthAnswer, type HealthAnswer } from "./health.ts";
export { allServiceRows, serviceRows } from "./views.ts";
export { maglevTable, type MaglevBackend, type MaglevOptions } from "./maglev.ts";
