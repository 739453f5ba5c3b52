// What becomes of queries and answers, told to the agent as records.
import {
  type Answer,
  type AnsweredQuestion,
  type Decision,
  requestLayer7,
  responseLayer7,
} from "@tsilium/dns";
import type { ControlServer } from "@tsilium/proxy/control/index.ts";
import type { ProxyRecord } from "@tsilium/proxy/model.ts";
import type { Clock } from "./clock.ts";

export type End = { readonly address: string; readonly port: number };

/** Between whom, and by whose rules. */
export type Conversation = {
  readonly listenerPort: number;
  readonly protocol: number;
  readonly client: End;
  readonly server: End;
};

export class Reporter {
  readonly #control: () => ControlServer | undefined;
  readonly #clock: Clock;

  constructor(control: () => ControlServer | undefined, clock: Clock) {
    this.#control = control;
    this.#clock = clock;
  }

  request(
    conversation: Conversation,
    question: { readonly name: string; readonly type: number; readonly nowMs: number },
    verdict: { readonly verdict: ProxyRecord["verdict"]; readonly rule: number },
  ): void {
    this.#add(conversation, question.nowMs, verdict, requestLayer7(question.name, question.type));
  }

  response(
    conversation: Conversation,
    question: AnsweredQuestion & { readonly nowMs: number; readonly decision: Decision },
    answer: Answer,
  ): void {
    const { verdict, rule } = question.decision;
    const l7 = responseLayer7(question, answer);
    this.#add(conversation, question.nowMs, { verdict, rule }, l7);
  }

  #add(
    { listenerPort, protocol, client, server }: Conversation,
    nowMs: number,
    { verdict, rule }: { readonly verdict: ProxyRecord["verdict"]; readonly rule: number },
    l7: ProxyRecord["l7"],
  ): void {
    this.#control()?.addRecord({
      timeNs: this.#clock.unixNsText(nowMs),
      port: listenerPort,
      direction: "egress",
      protocol,
      client,
      server,
      verdict,
      rule,
      l7,
    });
  }
}
