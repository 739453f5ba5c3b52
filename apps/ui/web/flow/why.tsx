// Why a flow got its verdict: the rule, or the default deny and who caused it, or what else went wrong; and the smallest
// rule that would allow it.
import { type ReactNode, useEffect, useState } from "react";
import {
  defaultDeny,
  denyRule,
  dropReasons,
  dropReasonTitle,
  isOfPolicy,
} from "../../src/shared/drop-reasons.ts";
import type { SeenFlow } from "../../src/shared/seen-flow.ts";
import { CopyButton } from "../ui/controls.tsx";
import { Icon } from "../ui/icons.tsx";
import { visible } from "../ui/text.ts";
import { PolicyYaml } from "./policy-object.tsx";
import {
  endName,
  policyName,
  type PolicyPart,
  policyParts,
  refusalText,
  verdictName,
} from "./words.ts";
import { Yaml } from "./yaml.tsx";

export function Why({ flow }: { flow: SeenFlow }): ReactNode {
  const parts = policyParts(flow);
  const denied = parts.filter(({ effect }) => effect === "denied");
  const allowed = parts.filter(({ effect }) => effect === "allowed");
  const isDropped = flow.dropReason !== 0 || verdictName(flow) === "DROPPED";
  const isAudit = verdictName(flow) === "AUDIT";
  if (!isDropped && !isAudit && parts.length === 0) return null;
  return (
    <section aria-label="Why">
      <h3>Why</h3>
      {(isDropped || isAudit) && <Reason flow={flow} denied={denied} />}
      {denied.map((part) => (
        <Part
          key={partKey(part)}
          part={part}
          isDefault={flow.dropReason !== denyRule}
          isOpen={denied.length === 1}
        />
      ))}
      {allowed.map((part) => (
        <Part key={partKey(part)} part={part} isDefault={false} isOpen={parts.length === 1} />
      ))}
      {((isAudit && !flow.l7) || isOfPolicy(flow.dropReason)) && <Smallest flow={flow} />}
    </section>
  );
}

function partKey({ policy, direction, effect, path }: PolicyPart): string {
  return `${effect} ${direction} ${policy.kind} ${policyName(policy)} ${path ?? ""}`;
}

function Reason({ flow, denied }: { flow: SeenFlow; denied: readonly PolicyPart[] }): ReactNode {
  const { dropReason } = flow;
  const known = dropReasons[dropReason];
  const isAudit = verdictName(flow) === "AUDIT";
  const direction = denied[0]?.direction ?? (flow.direction === 2 ? "egress" : "ingress");
  const side = endName(flow, direction === "egress" ? "source" : "destination");
  const who = visible(side.namespace === "" ? side.name : `${side.namespace}/${side.name}`);
  const tense = isAudit ? "would be" : "was";
  const isDefault = dropReason === defaultDeny || (isAudit && dropReason !== denyRule);
  const refusal = refusalText(flow);
  let sentence: ReactNode;
  if (refusal !== undefined) sentence = refusal;
  else if (isOfPolicy(dropReason) || isAudit) {
    sentence = isDefault ? (
      <>
        {direction === "egress" ? "Egress" : "Ingress"} of <b>{who}</b> {tense} denied by default:{" "}
        {denied.length === 0
          ? "policies select it, and no rule allows this."
          : denied.length === 1
            ? "this policy selects it, and no rule allows this."
            : `these ${denied.length} policies select it, and no rule allows this.`}
      </>
    ) : (
      <>
        {direction === "egress" ? "Egress" : "Ingress"} of <b>{who}</b> {tense} denied by a rule.
        Deny rules win over every rule that allows.
      </>
    );
  } else {
    sentence = <>{known?.meaning ?? "The datapath dropped it."}</>;
  }
  return (
    <div className="reason">
      <p className="reason-title">
        <Icon name="warning" />{" "}
        {isAudit
          ? "Let through by audit mode"
          : refusal === undefined
            ? dropReasonTitle(dropReason)
            : "Refused by the proxy"}
        {dropReason !== 0 && <span className="reason-code">{dropReason}</span>}
      </p>
      <p>{sentence}</p>
      {!isOfPolicy(dropReason) && !isAudit && known && (
        <p className="advice">
          <b>What to do.</b> {known.advice}
        </p>
      )}
    </div>
  );
}

function Part({
  part,
  isDefault,
  isOpen,
}: {
  part: PolicyPart;
  /** By selecting the pod, not by a rule. */
  isDefault: boolean;
  isOpen: boolean;
}): ReactNode {
  const { policy, direction, effect } = part;
  // That the whole of it isolates goes without saying.
  const path = part.path === "spec" ? undefined : part.path;
  const [isShown, setShown] = useState(isOpen);
  return (
    <details
      className={`policy-part effect-${effect}`}
      open={isShown}
      onToggle={(event) => setShown(event.currentTarget.open)}
    >
      <summary>
        <span className="policy-effect">
          {isDefault ? "isolates" : effect} {direction}
        </span>
        <span className="policy-name">{visible(policyName(policy))}</span>
        <span className="policy-kind">{visible(policy.kind)}</span>
        {path !== undefined && <code className="policy-path">{visible(path)}</code>}
      </summary>
      {isShown && (
        <PolicyYaml
          kind={policy.kind}
          namespace={policy.namespace}
          name={policy.name}
          path={path}
        />
      )}
    </details>
  );
}

type Suggestion =
  | {
      readonly kind: "rule";
      readonly yaml: string;
      readonly direction: string;
      readonly remarks: readonly string[];
    }
  | { readonly kind: "none"; readonly reason: string };

/** The rule is made when it is asked for: what makes it is a file of its own. */
function Smallest({ flow }: { flow: SeenFlow }): ReactNode {
  const [suggestion, setSuggestion] = useState<Suggestion | undefined>();
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    setSuggestion(undefined);
    setShown(false);
  }, [flow]);
  useEffect(() => {
    if (!isShown) return undefined;
    let isCurrent = true;
    void import("./smallest.ts").then(({ smallestRuleFor }) => {
      if (isCurrent) setSuggestion(smallestRuleFor(flow));
    });
    return () => {
      isCurrent = false;
    };
  }, [isShown, flow]);
  return (
    <div className="smallest">
      {!isShown && (
        <button type="button" className="button" onClick={() => setShown(true)}>
          Smallest rule that would allow it
        </button>
      )}
      {isShown && suggestion?.kind === "none" && <p className="note">{suggestion.reason}</p>}
      {isShown && suggestion?.kind === "rule" && (
        <>
          <p>
            The smallest rule that would allow it, for the {suggestion.direction} side. Read it
            before you apply it.
          </p>
          <Yaml text={suggestion.yaml} label="Smallest rule that would allow it" />
          {suggestion.remarks.map((remark) => (
            <p className="note" key={remark}>
              {remark}
            </p>
          ))}
          <CopyButton text={suggestion.yaml} label="Copy YAML" />
        </>
      )}
    </div>
  );
}
