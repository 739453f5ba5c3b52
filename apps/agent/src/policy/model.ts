// What the policy worker and the main thread say to each other, and how the worker is doing. Everything survives
// structured cloning.
import type { PolicyEnforcement } from "@tsilium/endpoint/model.ts";
import type { Problem } from "@tsilium/policy";
import type { NamedPort, PolicySettings, RuleName } from "@tsilium/policy/model.ts";
import type { MovedConnection } from "@tsilium/proxy/model.ts";
import type { Acknowledgement, WantedRules } from "../proxy/model.ts";
import type { PolicyBatch } from "./inputs/model.ts";
import type { Answer, Question } from "./questions.ts";

/** What some local pods are held to, before it has a number. Equal content is one subject. */
export type WantedSubject = {
  readonly identity: number;
  /** As Labels#toArray writes them. */
  readonly labels: readonly string[];
  readonly namedPorts: readonly NamedPort[];
  readonly audit: boolean;
};

/** What the main thread tells the worker. */
export type ToWorker =
  /** `sequence` grows with each; `StatusReport.applied` tells how far the worker has come. */
  | { readonly kind: "inputs"; readonly sequence: number; readonly inputs: PolicyBatch }
  | { readonly kind: "subject"; readonly id: number; readonly wanted: WantedSubject }
  | { readonly kind: "subject-gone"; readonly id: number }
  /** No endpoint's row names a subject other than those told: what is left of earlier agents may go. */
  | { readonly kind: "adopted" }
  /** Rows of endpoints name other subjects than before: their connections may be held to other rules. */
  | { readonly kind: "endpoints-moved"; readonly sequence: number }
  | { readonly kind: "ask"; readonly number: number; readonly question: Question }
  /** Listeners hold what they were told to, or nobody can make them. */
  | { readonly kind: "listeners-acknowledged"; readonly acks: readonly Acknowledgement[] }
  /** Proxies follow the connections of the message of that number, or have none of them any more. */
  | { readonly kind: "moved-acknowledged"; readonly number: number }
  | { readonly kind: "stop" };

/** What the worker answers. */
export type FromWorker =
  | { readonly kind: "status"; readonly report: StatusReport }
  | { readonly kind: "answer"; readonly number: number; readonly answer: Answer }
  | { readonly kind: "refused"; readonly number: number; readonly message: string }
  /** What proxies are to enforce; all of it the first time. */
  | { readonly kind: "listeners"; readonly wanted: WantedRules }
  | {
      readonly kind: "moved";
      readonly number: number;
      readonly connections: readonly MovedConnection[];
    }
  /** Names and patterns of `toFQDNs` that policies in force or about to be name: all of them, whenever they change. */
  | { readonly kind: "fqdn-selectors"; readonly selectors: readonly string[] };

/** How the worker was started. */
export type WorkerSetup = {
  readonly bpffs: string;
  readonly runDir: string;
  readonly settings: PolicyWorkerSettings;
  /** Whether reports tell `news`. */
  readonly tellsNews: boolean;
};

/** What policies mean here, and what the address rows need to know. */
export type PolicyWorkerSettings = PolicySettings & {
  /** What an ipBlock matches: every address, or those outside the cluster. */
  readonly kubernetesIpBlock: "any" | "external";
  /** Nodes have identities with their labels. */
  readonly nodeSelectorLabels: boolean;
  readonly dualStack: boolean;
  readonly tunnel: boolean;
};

/** A subject whose policy the kernel holds. */
export type SubjectState = {
  readonly id: number;
  readonly ingress: PolicyEnforcement;
  readonly egress: PolicyEnforcement;
};

/** Something that the kernel does not hold although it should. */
export type Condition = {
  readonly kind:
    | "slot"
    | "subject"
    | "identity"
    | "address"
    | "removal"
    | "listener"
    | "connections"
    | "file";
  /** "slot 17", "10.0.0.0/8", "listener 10000" */
  readonly name: string;
  readonly reason: string;
  /** It is being done: nothing went wrong so far. */
  readonly waiting?: boolean;
  /** All is in force, but what needs this is denied. Otherwise what was in force stays. */
  readonly denies?: boolean;
};

export type MapUsage = { readonly map: string; readonly entries: number; readonly max: number };

/** Sent after every round of work. Lists are whole, `subjects` alone are those that changed. */
export type StatusReport = {
  /** Everything that exists has been said once. */
  readonly synced: boolean;
  /** Every input up to this sequence number has been worked into the kernel, as far as `conditions` allow. */
  readonly applied: number;
  /** The same, for addresses and identities alone: they do not wait for policies. */
  readonly placed: number;
  /** Grows whenever a policy was added, changed or removed. */
  readonly revision: number;
  readonly policies: number;
  readonly invalidPolicies: number;
  readonly identities: number;
  readonly slots: number;
  readonly subjectCount: number;
  readonly subjects: readonly SubjectState[];
  /** At most `shownConditions` of them. */
  readonly conditions: readonly Condition[];
  readonly conditionCount: number;
  readonly usage: readonly MapUsage[];
  /** The round of work that this report is the first to tell of; undefined: another one did. */
  readonly round: RoundReport | undefined;
  /** An earlier agent's subjects, slots and rows are still there. */
  readonly adopting: boolean;
  /** Each told once; undefined: there are none, or nobody wants them. */
  readonly news: PolicyNews | undefined;
};

/** What happened since the report before. */
export type PolicyNews = {
  /** Rules that the kernel may name by these numbers from now on. */
  readonly rules: readonly NamedRule[];
  readonly policies: readonly ObjectChange[];
};

/** An object that came, changed or went. */
export type ObjectChange = {
  readonly ref: ObjectRef;
  /** Of `StatusReport`, after this change. */
  readonly revision: number;
  /** 0 when it is gone or not understood. */
  readonly rules: number;
  readonly gone: boolean;
};

export type RoundReport = {
  readonly durationMs: number;
  readonly compileMs: number;
  readonly writeMs: number;
  readonly failed: boolean;
};

export const shownConditions = 16;

/** A policy, or a CiliumCIDRGroup. */
export type ObjectRef = {
  readonly kind: string;
  /** "" for objects without a namespace. */
  readonly namespace: string;
  readonly name: string;
};

/** An object as the worker knows it. */
export type ObjectReport = {
  readonly ref: ObjectRef;
  readonly uid: string;
  readonly generation: number;
  /** Of `StatusReport`, when this object last changed. */
  readonly revision: number;
  readonly valid: boolean;
  /** Of the version that counts; undefined: none does. */
  readonly enforcedGeneration: number | undefined;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
};

export type NamedRule = { readonly number: number; readonly name: RuleName };
