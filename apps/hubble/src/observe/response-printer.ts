// Answers to GetFlows -> what goes to stdout; states of nodes go to stderr.
import { CodecError, decodeFlowsResponse, peekResponse } from "@tsilium/hubble/codec/index.ts";
import { flowPrinter, type FlowStyle } from "../print/flow-printer.ts";
import { warn } from "../print/notes.ts";
import { isTrouble, type NodeStatus } from "../print/node-status.ts";
import type { OutputStyle } from "./style.ts";

export type ResponsePrinter = {
  /** Of the bytes of an answer. One that cannot be read does not hide the others: it is told of on stderr. */
  readonly response: (bytes: Uint8Array) => string;
  readonly end: () => string;
};

export type Told = {
  /** Nothing of nodes on stderr. */
  readonly silent: boolean;
  /** Not only of nodes in trouble. */
  readonly debug: boolean;
};

export async function responsePrinter(style: OutputStyle, told: Told): Promise<ResponsePrinter> {
  const isTold = (status: NodeStatus) => !told.silent && (told.debug || isTrouble(status));
  const printer = style.format === "json" ? await jsonPrinter(isTold) : textPrinter(style, isTold);
  return { ...printer, response: (bytes) => readable(() => printer.response(bytes)) };
}

function textPrinter(style: FlowStyle, isTold: (status: NodeStatus) => boolean): ResponsePrinter {
  const printer = flowPrinter(style);
  return {
    response(bytes) {
      const response = decodeFlowsResponse(bytes);
      if (response === undefined) return "";
      if ("flow" in response) return printer.flow(response.flow);
      if ("lost" in response) return printer.lost(response.lost, response);
      if (isTold(response.nodeStatus))
        process.stderr.write(printer.nodeStatus(response.nodeStatus, response));
      return "";
    },
    end: () => printer.end(),
  };
}

async function jsonPrinter(isTold: (status: NodeStatus) => boolean): Promise<ResponsePrinter> {
  const { flowsResponseLine } = await import("../print/json-lines.ts");
  return {
    response(bytes) {
      const { kind } = peekResponse(bytes);
      if (kind === "flow" || kind === "lost") return flowsResponseLine(bytes);
      const response = decodeFlowsResponse(bytes);
      if (response && "nodeStatus" in response && isTold(response.nodeStatus))
        process.stderr.write(flowsResponseLine(bytes));
      return "";
    },
    end: () => "",
  };
}

function readable(print: () => string): string {
  try {
    return print();
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    warn(`an answer cannot be read: ${error.message}`);
    return "";
  }
}
