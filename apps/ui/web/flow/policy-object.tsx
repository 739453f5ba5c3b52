// A policy object as it is at the API server, with the rule that decided marked.
import { type ReactNode, useEffect, useState } from "react";
import { AnswerError, ask } from "../api/client.ts";
import { CopyButton } from "../ui/controls.tsx";
import { type Marked, Yaml } from "./yaml.tsx";

export type PolicyObject = {
  readonly yaml: string;
  readonly marked?: Marked;
  readonly remark?: string;
};

export function PolicyYaml({
  kind,
  namespace,
  name,
  path,
}: {
  kind: string;
  namespace: string;
  name: string;
  path: string | undefined;
}): ReactNode {
  const [answer, setAnswer] = useState<PolicyObject | { readonly error: string } | undefined>();
  useEffect(() => {
    const stopped = new AbortController();
    const query = new URLSearchParams({
      kind,
      namespace,
      name,
      ...(path === undefined ? {} : { path }),
    });
    setAnswer(undefined);
    ask<PolicyObject>("policy", query, stopped.signal).then(setAnswer, (error: AnswerError) => {
      if (!stopped.signal.aborted) setAnswer({ error: error.message });
    });
    return () => stopped.abort();
  }, [kind, namespace, name, path]);
  if (!answer) return <p className="note">Asking the API server …</p>;
  if ("error" in answer) return <p className="note is-error">{answer.error}</p>;
  return (
    <div className="policy-yaml">
      {answer.remark && <p className="note">{answer.remark}</p>}
      <Yaml text={answer.yaml} marked={answer.marked} label={`${kind} ${name} as YAML`} />
      <CopyButton text={answer.yaml} label="Copy YAML" />
    </div>
  );
}
