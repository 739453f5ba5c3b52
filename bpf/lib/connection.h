/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets that are more than a packet of an established connection under a verdict that still holds: the
 * first of a flow, those of young connections, the next one after the epoch moved.
 */
#ifndef TSI_LIB_CONNECTION_H
#define TSI_LIB_CONNECTION_H

#include "lib/conntrack_entry.h"
#include "lib/conntrack_key.h"
#include "lib/flow.h"
#include "lib/icmp.h"
#include "lib/identity.h"
#include "lib/policy.h"
#include "lib/service.h"
#include "maps/refusal.h"

static __always_inline __u32 owner_of(const union v6addr *address)
{
	struct ipcache_entry *entry = ipcache_find(address);

	return entry ? entry->owner : 0;
}

/* Who is at an address, where no program has found out. */
static __always_inline void look_up_end(struct flow_end *end, enum family family)
{
	struct endpoint *local = endpoint_of(&end->address);
	struct ipcache_entry *entry;

	if (local && !is_host(local)) {
		end->identity = local->identity;
		end->subject = subject_of(local);
		end->owner = local->ifindex;
		end->endpoint_id = local->id;
		return;
	}
	entry = ipcache_find(&end->address);
	end->identity = local ? local->identity : identity_or_world(entry, family);
	end->owner = entry ? entry->owner : 0;
	end->subject = 0;
}

static __always_inline void learn_owners(struct flow *flow)
{
	/* A router speaks about the flow of somebody else. */
	if (!same_address(&flow->source.address, &flow->flow_source)) {
		flow->source.address = flow->flow_source;
		look_up_end(&flow->source, flow->family);
	}
	if (!flow->source.owner)
		flow->source.owner = owner_of(&flow->source.address);
	if (!flow->destination.owner)
		flow->destination.owner = owner_of(&flow->destination.address);
}

/* Whether both addresses are still whose they were. An address that went to another pod does not
 * inherit what was decided for the old one, not even the right to be answered.
 */
static __always_inline bool has_same_owners(
	const struct flow *flow, const struct conntrack_entry *entry)
{
	__u32 origin = flow->is_reply ? flow->destination.owner : flow->source.owner;
	__u32 reply = flow->is_reply ? flow->source.owner : flow->destination.owner;

	return entry->origin_owner == origin && entry->reply_owner == reply;
}

/* What a flow's policy is asked about: the port, or the ICMP type, of its first packet. */
static __always_inline __be16 opening_port(const struct flow *flow)
{
	if (is_icmp(flow->family, flow->protocol))
		return bpf_htons(flow->family == IPV4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST);
	return flow->is_reply ? flow->source.port : flow->destination.port;
}

/* ICMP that is of no flow is judged as what it is, and remembered as nothing. */
static __always_inline int ask_about_type(struct flow *flow)
{
	flow->state = FLOW_STATELESS;
	flow->is_reply = false;
	flow->trace = TRACE_DUE | (flow->icmp_error ? TRACE_REASON_RELATED : TRACE_REASON_NEW);
	flow->protocol = flow->family == IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	flow->question.port = bpf_htons(flow->icmp_type);
	return FLOW_UNDECIDED;
}

/* Nobody's port of a service's address, which is no pod's. */
static __always_inline bool is_unserved(const struct flow *flow)
{
	return !flow->destination.subject && !is_pod_identity(flow->destination.identity) &&
	       is_service_address(&flow->destination.address);
}

/* A packet of no flow that is remembered. */
static __always_inline int ask_about_new(struct flow *flow)
{
	flow->reply_frontend = 0;
	/* An error about a flow that nobody remembers, or no longer, opens none. */
	if (flow->icmp_error)
		return ask_about_type(flow);
	flow->is_reply = flow->known_reply;
	if (!flow->is_reply && is_unserved(flow)) {
		flow->response = REFUSAL_NO_SERVICE;
		return DROP_NO_BACKEND;
	}
	/* Nor does an answer to a ping that nobody sent. */
	if (is_icmp(flow->family, flow->protocol) && !flow->known_reply &&
		!is_echo_request(flow->family, flow->icmp_type))
		return ask_about_type(flow);
	flow->state = FLOW_NEW;
	flow->question.port = opening_port(flow);
	return FLOW_UNDECIDED;
}

static __always_inline struct segment segment_of_flow(const struct flow *flow)
{
	return (struct segment){
		.protocol = flow->protocol,
		.tcp_flags = flow->tcp_flags,
		.source_high = flow->source_high,
	};
}

/* The entry that the packet belongs to, in either table. */
static __always_inline struct conntrack_entry *find_entry(
	struct flow *flow, struct segment *segment, __u64 now)
{
	struct conntrack_entry *entry = conntrack_find(flow->family, &flow->key);

	flow->young = false;
	flow->established_before = !!entry;
	if (belongs(segment, entry, now))
		return entry;
	entry = conntrack_find_new(flow->family, &flow->key);
	flow->young = true;
	return belongs(segment, entry, now) ? entry : 0;
}

/* The opening side speaks again after an answer: established, and out of the reach of floods. Not so when it
 * resets the connection, as the kernel of whoever floods does for every SYN that is answered.
 */
static __always_inline void promote(
	struct flow *flow, const struct segment *segment, const struct conntrack_entry *young)
{
	flow->entry = *young;
	if (segment->is_reply || is_bare_syn(segment) ||
		!(flow->entry.flags & CONNTRACK_SEEN_REPLY) ||
		(flow->entry.flags & CONNTRACK_CLOSED) == CONNTRACK_CLOSED)
		return;
	if (!conntrack_insert(flow->family, &flow->key, &flow->entry))
		conntrack_delete_new(flow->family, &flow->key);
}

static __always_inline void carry_on(
	struct flow *flow, const struct segment *segment, struct conntrack_entry *entry, __u64 now)
{
	if (flow->icmp_error) {
		flow->trace = TRACE_DUE | TRACE_REASON_RELATED;
		return;
	}
	refresh(segment, entry, now);
	flow->trace = trace_of(segment, entry, now);
	if (flow->young)
		promote(flow, segment, entry);
}

/* A node stands in for clients from outside at backends elsewhere: whom it speaks for, its packets say (in the VNI) and its
 * address does not.
 */
static __always_inline void keep_client(struct flow *flow, const struct conntrack_entry *entry)
{
	__u32 origin = entry->origin_identity;

	if (flow->is_reply && is_other_node(flow->destination.identity) &&
		!is_pod_identity(origin) && origin != IDENTITY_HOST)
		flow->destination.identity = origin;
}

/* The same two ends may meet directly and through services: the last packet of the opening side says how. */
static __always_inline void follow_frontend(struct flow *flow, struct conntrack_entry *entry)
{
	if (flow->is_reply)
		flow->reply_frontend = entry->frontend;
	else if (flow->frontend && flow->frontend != entry->frontend)
		entry->frontend = flow->frontend;
}

/* Step 1: what is remembered of this flow. 0 if that settles it, FLOW_UNDECIDED with the question's port if
 * it must be decided. Global functions, verified once by themselves (see walk_extension_headers()), and one
 * after the other rather than one in the other, since stacks add up.
 */
__noinline int recall(void)
{
	struct flow *flow = this_flow();
	struct conntrack_entry *entry;
	struct segment segment;
	__u64 now = bpf_ktime_get_coarse_ns();

	if (!flow)
		return DROP_NO_CONFIG;
	if (!flow->remembered)
		return ask_about_type(flow);
	segment = segment_of_flow(flow);
	entry = find_entry(flow, &segment, now);
	flow->is_reply = segment.is_reply;
	if (!entry)
		return ask_about_new(flow);
	follow_frontend(flow, entry);
	if (entry->epoch == flow->epoch) {
		flow->proxy_port = entry->proxy_port;
		carry_on(flow, &segment, entry, now);
		return 0;
	}
	learn_owners(flow);
	if (!has_same_owners(flow, entry))
		return ask_about_new(flow);
	keep_client(flow, entry);
	flow->state = FLOW_STALE;
	flow->question.port = opening_port(flow);
	return FLOW_UNDECIDED;
}

/* 0, or the drop reason. */
static __always_inline int open_connection(struct flow *flow, __u64 now)
{
	struct flow_end *origin = flow->is_reply ? &flow->destination : &flow->source;
	struct flow_end *other = flow->is_reply ? &flow->source : &flow->destination;
	struct conntrack_entry *entry = &flow->entry;
	struct segment segment = segment_of_flow(flow);

	segment.is_reply = flow->is_reply;
	learn_owners(flow);
	__builtin_memset(entry, 0, sizeof(*entry));
	entry->expires_ns = now + lifetime_ns(&segment);
	entry->epoch = flow->epoch;
	entry->origin_identity = origin->identity;
	entry->reply_identity = other->identity;
	entry->origin_owner = origin->owner;
	entry->reply_owner = other->owner;
	entry->proxy_port = flow->proxy_port;
	entry->frontend = flow->frontend;
	entry->flags = closing_flags(&segment);
	if (flow->source_high != flow->is_reply)
		entry->flags |= CONNTRACK_ORIGIN_HIGH;
	if (flow->is_reply)
		entry->flags |= CONNTRACK_SEEN_REPLY;
	if (flow->proxy_port && flow->protocol == IPPROTO_TCP)
		entry->flags |= CONNTRACK_PROXIED;
	flow->trace = trace_of(&segment, entry, now);
	if (!flow->is_reply)
		flow->trace = (flow->trace & TRACE_DUE) | TRACE_REASON_NEW;
	if (conntrack_insert_new(flow->family, &flow->key, entry))
		return DROP_CONNTRACK_FULL;
	/* What was established under this key is over, and must not be found in its place. */
	if (flow->established_before)
		conntrack_delete(flow->family, &flow->key);
	return 0;
}

/* A datagram goes where policy says now. A TCP connection stays with whoever accepted it: the proxy is told of other rules, and
 * one that no proxy saw from its beginning ends. Returns whether it may go on.
 */
static __always_inline bool follow_proxy(struct flow *flow, struct conntrack_entry *entry)
{
	if (flow->protocol != IPPROTO_TCP)
		entry->proxy_port = flow->proxy_port;
	else if (flow->proxy_port && !(entry->flags & CONNTRACK_PROXIED))
		return false;
	flow->proxy_port = entry->proxy_port;
	return true;
}

/* Step 3, once decide() has let the flow through. 0, or the drop reason. */
__noinline int remember(void)
{
	struct flow *flow = this_flow();
	struct conntrack_entry *entry;
	struct segment segment;
	__u64 now = bpf_ktime_get_coarse_ns();

	if (!flow)
		return DROP_NO_CONFIG;
	if (flow->state == FLOW_STATELESS)
		return 0;
	if (flow->state == FLOW_NEW)
		return open_connection(flow, now);
	segment = segment_of_flow(flow);
	entry = find_entry(flow, &segment, now);
	/* Evicted since step 1: the next packet opens it anew. */
	if (!entry)
		return 0;
	if (!follow_proxy(flow, entry)) {
		flow->response = POLICY_RESPONSE_RST;
		return DROP_POLICY;
	}
	entry->epoch = flow->epoch;
	carry_on(flow, &segment, entry, now);
	return 0;
}

#endif
