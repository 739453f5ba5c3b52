/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one place where a flow is judged. Called for the first packet of a flow and again whenever
 * the epoch under which it was judged is over; never for the packets between.
 *
 *   flow from A to B:  A is a pod here -> A's egress policy about B
 *                      B is a pod here -> B's ingress policy about A         (docs/decisions/0006)
 */
#ifndef TSI_LIB_POLICY_H
#define TSI_LIB_POLICY_H

#include "lib/event.h"
#include "lib/flow.h"
#include "lib/identity.h"
#include "lib/proxy_marks.h"
#include "maps/policy.h"
#include "maps/runtime.h"

static __always_inline __u16 cidr_class(const struct policy_question *question)
{
	struct ipcache_entry *entry = ipcache_find(&question->peer_address);
	struct policy_class_key key = {.slot = question->slot | POLICY_CIDR_KEY};
	struct policy_class *found;

	if (!entry || !entry->cidr_set)
		return 0;
	key.peer = entry->cidr_set;
	found = bpf_map_lookup_elem(&tsi_policy_class, &key);
	return found ? found->class_id : 0;
}

/* 0, or the drop reason. */
static __always_inline int classify(const struct policy_question *question,
	const struct policy *policy, struct policy_rule_key *rule)
{
	struct policy_class_key key = {.slot = question->slot, .peer = question->peer_identity};
	struct policy_class *found = bpf_map_lookup_elem(&tsi_policy_class, &key);
	bool by_address = policy->flags & POLICY_USES_CIDR;

	if (found) {
		rule->class_id = found->class_id;
		by_address = by_address && !(found->flags & POLICY_CLASS_ADDRESSLESS);
	} else {
		if (policy->flags & POLICY_KNOWN_PEERS &&
			!bpf_map_lookup_elem(&tsi_identities, &key.peer))
			return DROP_INVALID_IDENTITY;
		by_address = by_address && !(policy->flags & POLICY_DEFAULT_IGNORES_CIDR);
	}
	if (by_address)
		rule->cidr_class = cidr_class(question);
	return 0;
}

/* The entry with the longest port prefix, of those that the slot has. */
static __always_inline struct policy_rule *find_rule(
	const struct policy_question *question, __u32 lengths, struct policy_rule_key *key)
{
	struct policy_rule *rule;

	key->protocol = question->protocol;
	for (int length = 16; length >= 0; length--) {
		if (!(lengths & 1U << length))
			continue;
		key->length = length;
		key->port = question->port & bpf_htons((__u16)(0xffff0000U >> length));
		rule = bpf_map_lookup_elem(&tsi_policy_rule, key);
		if (rule)
			return rule;
	}
	key->protocol = 0;
	key->length = 0;
	key->port = 0;
	return bpf_map_lookup_elem(&tsi_policy_rule, key);
}

/* Answers the flow's question. 0, or the drop reason. A global function, verified once by itself (see
 * walk_extension_headers()).
 */
__noinline int ask_policy(void)
{
	struct flow *flow = this_flow();
	const struct policy_question *question;
	struct policy_answer *answer;
	struct policy_rule_key key = {};
	struct policy_rule *rule;
	struct policy *policy;
	int reason;

	if (!flow)
		return DROP_NO_CONFIG;
	question = &flow->question;
	answer = &flow->answer;
	key.slot = question->slot;
	policy = bpf_map_lookup_elem(&tsi_policy, &key.slot);
	if (!policy || question->slot == POLICY_SLOT_UNKNOWN)
		return DROP_ENDPOINT_NOT_READY;
	reason = classify(question, policy, &key);
	if (reason)
		return reason;
	rule = find_rule(question, policy->port_lengths, &key);
	answer->rule = rule ? rule->rule : policy->default_rule;
	answer->proxy_port = rule ? rule->proxy_port : 0;
	answer->verdict = rule ? rule->verdict : policy->default_verdict;
	answer->response = rule ? rule->response : policy->default_response;
	return 0;
}

static __always_inline bool is_denial(__u8 verdict)
{
	return verdict == POLICY_DENY || verdict == POLICY_DEFAULT_DENY;
}

/* Whether somebody wants to hear of a verdict that lets the flow through; of denials the drop tells. Of audits always; of
 * others, where a policy allows and not only fails to forbid, at the first packet.
 */
static __always_inline bool is_verdict_told(const struct flow *flow)
{
	__u32 zero = 0;
	struct runtime *runtime = bpf_map_lookup_elem(&tsi_runtime, &zero);

	if (flow->answer.verdict == POLICY_AUDIT)
		return true;
	return runtime && runtime->verdicts && flow->state != FLOW_STALE &&
	       flow->question.slot != POLICY_SLOT_ALLOW;
}

static __always_inline void tell_verdict(struct __sk_buff *skb, const struct flow *flow)
{
	struct event_subject subject = {
		.kind = EVENT_POLICY_VERDICT,
		.code = flow->answer.verdict,
		.direction = flow->direction,
		.reply = flow->is_reply,
		.endpoint_id = flow->endpoint_id,
		.proxy_port = flow->answer.proxy_port,
	};

	if (is_verdict_told(flow))
		send_event(skb, pack_subject(subject),
			pack(flow->source.identity, flow->destination.identity),
			pack(flow->answer.rule, flow->frontend));
}

/* One end's policy about the other. 0, or the drop reason; the flow's direction and endpoint say whose
 * policy it was.
 */
static __always_inline int judge(
	struct __sk_buff *skb, struct flow *flow, const struct flow_end *subject)
{
	__u32 number = subject->subject;
	struct policy_subject *slots = bpf_map_lookup_elem(&tsi_policy_subject, &number);
	int reason;

	flow->endpoint_id = subject->endpoint_id;
	flow->answer = (struct policy_answer){.verdict = POLICY_ALLOW};
	if (!slots)
		return DROP_ENDPOINT_NOT_READY;
	flow->question.slot = flow->direction == DIRECTION_EGRESS ? slots->egress : slots->ingress;
	if (flow->question.slot != POLICY_SLOT_ALLOW) {
		reason = ask_policy();
		if (reason)
			return reason;
	}
	flow->rule = flow->answer.rule;
	flow->response = flow->answer.response;
	if (is_denial(flow->answer.verdict))
		return flow->answer.verdict == POLICY_DENY ? DROP_POLICY_DENY : DROP_POLICY;
	/* To nobody. */
	if (flow->answer.verdict == POLICY_REDIRECT && flow->answer.proxy_port <= PROXY_CONNECTED)
		return DROP_NO_LISTENER;
	tell_verdict(skb, flow);
	/* The first one on the way: the other's policy is asked again about the proxy's packets. */
	if (!flow->proxy_port)
		flow->proxy_port = flow->answer.proxy_port;
	return 0;
}

static __always_inline int judge_egress(struct __sk_buff *skb, struct flow *flow,
	const struct flow_end *from, const struct flow_end *to)
{
	/* What a proxy sends on was judged when the proxy got it. */
	if (!from->subject || flow->part != CONNTRACK_CLIENT)
		return 0;
	flow->direction = DIRECTION_EGRESS;
	flow->question.peer_identity = to->identity;
	flow->question.peer_address = to->address;
	return judge(skb, flow, from);
}

static __always_inline int judge_ingress(struct __sk_buff *skb, struct flow *flow,
	const struct flow_end *from, const struct flow_end *to)
{
	if (!to->subject || flow->part == CONNTRACK_OF_INGRESS_PROXY)
		return 0;
	flow->direction = DIRECTION_INGRESS;
	flow->question.peer_identity = from->identity;
	flow->question.peer_address = from->address;
	return judge(skb, flow, to);
}

/* Judges this flow in the direction in which it was opened, about its question's port. 0, or the drop
 * reason. A global function, verified once by itself.
 */
__noinline int decide(struct __sk_buff *skb)
{
	struct flow *flow = this_flow();
	struct flow_end *from, *to;
	int reason;

	if (!flow)
		return DROP_NO_CONFIG;
	flow->question.protocol = flow->protocol;
	flow->proxy_port = 0;
	from = flow->is_reply ? &flow->destination : &flow->source;
	to = flow->is_reply ? &flow->source : &flow->destination;
	reason = judge_egress(skb, flow, from, to);
	return reason ? reason : judge_ingress(skb, flow, from, to);
}

#endif
