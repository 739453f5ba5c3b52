// Identities: which labels make them, which numbers they have.
export { IdentityAllocator, type IdentityAllocatorOptions } from "./allocator.ts";
export { IdentityError, type IdentityErrorCode } from "./errors.ts";
export { defaultPatterns, type LabelFilter, labelFilter } from "./label-filter.ts";
export { LocalIdentities } from "./local.ts";
export { initLabels, podIdentityLabels, type PodIdentityLabelsOptions } from "./pod-labels.ts";
export { reservedIdentities } from "./reserved.ts";
export * from "./model.ts";
