// Tests of network policy, for people who have policies: in TypeScript or in YAML, against the compiler or in a lab.
export { testCluster, type TestOptions } from "./compiler/cluster.ts";
export { describe, type Described, type Question } from "./describe.ts";
export { type Change, diffEngines } from "./diff/diff.ts";
export type { Engines } from "./diff/positions.ts";
export {
  changeViews,
  type ChangeView,
  type EndView,
  type Names,
  type PortChange,
} from "./diff/view.ts";
export { Engine, type EngineChange, type EngineInput } from "./engine/engine.ts";
export { type EngineSettings, engineSettings } from "./engine/settings.ts";
export { TestError, type TestErrorCode } from "./error.ts";
export {
  expect,
  type ConnectionExpectation,
  type ExpectedRule,
  type PeerExpectation,
} from "./expect.ts";
export {
  type DirectionView,
  type Explanation,
  objectName,
  type RequestView,
  ruleName,
  type RuleView,
  type Verdict,
} from "./explanation.ts";
export { findTestFiles, loadTestFile, parseTestFile } from "./files/load.ts";
export { type FileResult, type MakeCluster, runTestFile, type TestResult } from "./files/run.ts";
export { type TestCase, type TestFile, testFileSchema } from "./files/schema.ts";
export { explainRequest } from "./l7/judge.ts";
export { type HttpText, parseRequest, requestName, type RequestText } from "./l7/request.ts";
export { ruleWords, type RuleWords } from "./l7/words.ts";
export { labCluster } from "./lab/cluster.ts";
export type { LabOptions } from "./lab/options.ts";
export { runProbe } from "./lab/probe.ts";
export { namespace, pod, type PodDescription } from "./manifests/pods.ts";
export { readManifests, type ReadObject, type TestObject } from "./manifests/read.ts";
export {
  type Attempt,
  type Cluster,
  type Connection,
  type ConnectionOptions,
  type Entity,
  entities,
  type Family,
  type Manifest,
  type Outcome,
  type Party,
  Peer,
} from "./model.ts";
export { junitReport } from "./report/junit.ts";
export { prettyReport } from "./report/pretty.ts";
export { tapReport } from "./report/tap.ts";
export type { End } from "./suggest.ts";
