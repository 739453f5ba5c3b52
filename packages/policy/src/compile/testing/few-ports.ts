// Listeners of which there are only so many, for whoever asks first.
import assert from "node:assert/strict";
import type { RuleSet } from "../../model.ts";
import type { RuleSetPorts, WantedListener } from "../rule-set-ports.ts";

/** Ports from 10 on, counted, of which there are so many. */
export class FewPorts implements RuleSetPorts {
  readonly held = new Map<number, { readonly ruleSet: RuleSet; readonly content: string }>();
  readonly namespaces: string[] = [];
  most: number;

  constructor(most = 100) {
    this.most = most;
  }

  acquire({ ruleSet, content, namespace }: WantedListener): number | undefined {
    if (!this.hasRoom()) return undefined;
    let port = 10;
    while (this.held.has(port)) port++;
    this.held.set(port, { ruleSet, content });
    this.namespaces.push(namespace);
    return port;
  }

  hasRoom(): boolean {
    return this.held.size < this.most;
  }

  release(port: number): void {
    assert.ok(this.held.delete(port), `port ${port} is not held`);
  }
}
