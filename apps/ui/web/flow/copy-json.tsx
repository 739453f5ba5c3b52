// The flow as `hubble observe -o jsonpb` prints it, for tickets and scripts. Only the server has that form.
import { type ReactNode, useEffect, useState } from "react";
import type { SeenFlow } from "../../src/shared/seen-flow.ts";
import { ask } from "../api/client.ts";
import { CopyButton } from "../ui/controls.tsx";
import { Yaml } from "./yaml.tsx";

export function CopyFlowJson({ flow }: { flow: SeenFlow }): ReactNode {
  const [isShown, setShown] = useState(false);
  const [answer, setAnswer] = useState<{ text: string; isError: boolean } | undefined>();
  useEffect(() => {
    setShown(false);
    setAnswer(undefined);
  }, [flow.uuid]);
  useEffect(() => {
    if (!isShown) return undefined;
    const stopped = new AbortController();
    const query = new URLSearchParams({ uuid: flow.uuid, time: flow.timeNs });
    ask<{ json: unknown }>("flow", query, stopped.signal).then(
      ({ json }) => setAnswer({ text: JSON.stringify(json, null, 2), isError: false }),
      (error: Error) => {
        if (!stopped.signal.aborted) setAnswer({ text: error.message, isError: true });
      },
    );
    return () => stopped.abort();
  }, [isShown, flow.uuid, flow.timeNs]);
  if (flow.uuid === "") return null;
  return (
    <details
      className="json"
      open={isShown}
      onToggle={(event) => setShown(event.currentTarget.open)}
    >
      <summary>JSON</summary>
      {answer?.isError && <p className="note">{answer.text}</p>}
      {answer && !answer.isError && (
        <>
          <Yaml text={answer.text} label="The flow as JSON" />
          <CopyButton text={answer.text} label="Copy JSON" />
        </>
      )}
    </details>
  );
}
