// core/v1 Endpoints: the addresses behind a service as one object, what there was before EndpointSlices.
import type { ObjectReference } from "./core.ts";
import type { KubeObject } from "./meta.ts";
import type { EndpointPort } from "./service.ts";

export type EndpointAddress = {
  readonly ip: string;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly targetRef?: ObjectReference;
};

/** Every address has every port. */
export type EndpointSubset = {
  readonly addresses?: readonly EndpointAddress[];
  readonly notReadyAddresses?: readonly EndpointAddress[];
  readonly ports?: readonly EndpointPort[];
};

export type Endpoints = KubeObject & { readonly subsets?: readonly EndpointSubset[] };
