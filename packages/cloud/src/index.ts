// Clouds that give nodes network interfaces and addresses. AWS's client is read when it is asked for, and not before:
// it is large.
export * from "./decide/choose.ts";
export * from "./decide/interfaces.ts";
export * from "./decide/plan.ts";
export * from "./decide/release.ts";
export * from "./decide/watermarks.ts";
export { connectEc2, type Ec2Options } from "./aws/connect.ts";
export { CloudError, type CloudErrorCode } from "./errors.ts";
export * from "./model.ts";
