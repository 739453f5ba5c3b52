// What policy depends on: followed here, worked into the kernel by the policy worker.
export { type BatchListener } from "./feed.ts";
export { PolicyInputs, type PolicyInputsOptions } from "./inputs.ts";
export { keepLocalPorts } from "./local-ports.ts";
export * from "./model.ts";
export { NamedPorts } from "./named-ports.ts";
export { auditModeOf, enforcementAnnotation, namedPortsOf } from "./pod-traits.ts";
