// `hubble observe agent-events` and `debug-events`: asks a server and prints what comes.
import {
  type DescEnum,
  type DescMessage,
  fromJson,
  type JsonValue,
  type MessageShape,
} from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { nsFromTimestamp } from "@tsilium/hubble/codec/index.ts";
import { AgentEventTypeSchema, DebugEventTypeSchema } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import {
  GetAgentEventsRequestSchema,
  GetAgentEventsResponseSchema,
  GetDebugEventsRequestSchema,
  GetDebugEventsResponseSchema,
  Observer,
} from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { createClient, type GrpcClient } from "@tsilium/hubble/grpc/index.ts";
import { askServer } from "../client/connect.ts";
import { interruption } from "../client/interrupt.ts";
import type { Context } from "../commands/context.ts";
import type { ObserveOptions } from "../commands/observe-options.ts";
import {
  agentEventPrinter,
  debugEventPrinter,
  type EventPrinter,
  type EventStyle,
} from "../print/events.ts";
import { messageLine } from "../print/json-lines.ts";
import { outputTo } from "./output.ts";
import { eventsRequest } from "./request.ts";
import { outputStyle, type OutputStyle } from "./style.ts";

/** @param kind "agent-events" or "debug-events" */
export async function observeEvents(
  kind: string,
  options: ObserveOptions,
  context: Context,
): Promise<void> {
  const request = eventsRequest(options, BigInt(Date.now()) * 1_000_000n) as unknown as JsonValue;
  const style = outputStyle(options);
  const signal = interruption();
  const ask = kind === "agent-events" ? agentEvents : debugEvents;
  await askServer(context, ({ grpc }) => printAll(ask({ grpc, request, style, signal }), signal));
}

type Question = {
  readonly grpc: GrpcClient;
  readonly request: JsonValue;
  readonly style: OutputStyle;
  readonly signal: AbortSignal;
};

function agentEvents({ grpc, request, style, signal }: Question): AsyncIterable<string> {
  const question = fromJson(GetAgentEventsRequestSchema, request);
  const answers = createClient(Observer, grpc.transport).getAgentEvents(question, endless(signal));
  const named = (style: EventStyle) => agentEventPrinter(style, nameIn(AgentEventTypeSchema));
  return texts(answers, {
    schema: GetAgentEventsResponseSchema,
    eventOf: ({ agentEvent }) => agentEvent,
    printer: style.format === "json" ? undefined : named(style),
  });
}

function debugEvents({ grpc, request, style, signal }: Question): AsyncIterable<string> {
  const question = fromJson(GetDebugEventsRequestSchema, request);
  const answers = createClient(Observer, grpc.transport).getDebugEvents(question, endless(signal));
  const named = (style: EventStyle) => debugEventPrinter(style, nameIn(DebugEventTypeSchema));
  return texts(answers, {
    schema: GetDebugEventsResponseSchema,
    eventOf: ({ debugEvent }) => debugEvent,
    printer: style.format === "json" ? undefined : named(style),
  });
}

/** What is followed has no deadline, and what is not may be long. */
function endless(signal: AbortSignal) {
  return { signal, timeoutMs: 0 };
}

async function printAll(answers: AsyncIterable<string>, signal: AbortSignal): Promise<void> {
  const output = outputTo(process.stdout);
  try {
    for await (const text of answers) await output.write(text);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    if (!signal.aborted) await output.end();
  }
}

type Answer = { readonly nodeName: string; readonly time?: Timestamp | undefined };

type Texts<Desc extends DescMessage, Event> = {
  readonly schema: Desc;
  readonly eventOf: (answer: MessageShape<Desc>) => Event | undefined;
  /** undefined: JSON. */
  readonly printer: EventPrinter<Event> | undefined;
};

async function* texts<Desc extends DescMessage, Event>(
  answers: AsyncIterable<MessageShape<Desc> & Answer>,
  { schema, eventOf, printer }: Texts<Desc, Event>,
): AsyncGenerator<string> {
  for await (const answer of answers) {
    const event = eventOf(answer);
    if (event === undefined) continue;
    const origin = { nodeName: answer.nodeName, timeNs: nsFromTimestamp(answer.time) };
    yield printer ? printer.event(event, origin) : messageLine(schema, answer);
  }
  if (printer) yield printer.end();
}

function nameIn(schema: DescEnum): (number: number) => string {
  return (number) => schema.value[number]?.name ?? String(number);
}
