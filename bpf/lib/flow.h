/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A packet's facts as those of a flow. */
#ifndef TSI_LIB_FLOW_H
#define TSI_LIB_FLOW_H

#include "lib/identity.h"
#include "lib/packet.h"
#include "maps/event.h"
#include "maps/flow.h"
#include "maps/policy.h"

/* This CPU's flow under consideration. Functions look it up for themselves. Verifier trick (6.1): handed to
 * a global function it is "memory", which may not be a map's key or value; looked up it may.
 */
static __always_inline struct flow *this_flow(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tsi_flow, &zero);
}

/* A pod without a subject is under no policy that is known. */
static __always_inline __u32 subject_of(const struct endpoint *endpoint)
{
	return endpoint->subject ? endpoint->subject : POLICY_SUBJECT_UNKNOWN;
}

static __always_inline void set_source_pod(struct packet *pkt, const struct endpoint *endpoint)
{
	pkt->source_identity = endpoint->identity;
	pkt->source_subject = subject_of(endpoint);
	pkt->source_owner = endpoint->ifindex;
	pkt->source_endpoint = endpoint->id;
}

static __always_inline void set_destination_pod(struct packet *pkt, const struct endpoint *endpoint)
{
	pkt->destination_identity = endpoint->identity;
	pkt->destination_subject = subject_of(endpoint);
	pkt->destination_owner = endpoint->ifindex;
	pkt->destination_endpoint = endpoint->id;
}

static __always_inline void flow_of(const struct packet *pkt, struct flow *flow)
{
	flow->source = (struct flow_end){
		.address = pkt->source,
		.identity = pkt->source_identity,
		.subject = pkt->source_subject,
		.owner = pkt->source_owner,
		.endpoint_id = pkt->source_endpoint,
		.port = pkt->source_port,
	};
	flow->destination = (struct flow_end){
		.address = pkt->destination,
		.identity = pkt->destination_identity,
		.subject = pkt->destination_subject,
		.owner = pkt->destination_owner,
		.endpoint_id = pkt->destination_endpoint,
		.port = pkt->destination_port,
	};
	flow->flow_source = pkt->flow_source;
	flow->family = pkt->family;
	flow->protocol = pkt->protocol;
	flow->tcp_flags = pkt->tcp_flags;
	flow->icmp_type = pkt->icmp_type;
	flow->icmp_error = pkt->icmp_error;
	flow->direction = pkt->direction;
	flow->part = pkt->part;
	flow->endpoint_id = pkt->endpoint_id;
	flow->is_reply = false;
	flow->trace = TRACE_REASON_UNKNOWN;
	flow->response = POLICY_RESPONSE_DROP;
	flow->rule = 0;
	flow->proxy_port = 0;
	flow->frontend = pkt->frontend;
	flow->reply_frontend = 0;
}

#endif
