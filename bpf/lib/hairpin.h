/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A pod that gets itself for a backend. Its kernel takes no packet from its own address, so it hears from another one; and no
 * policy stands between a pod and itself.
 *
 *   pod:port -> frontend      back into the pod as   loopback:port -> pod:backend port
 *   pod:backend port -> loopback:port                frontend -> pod:port
 */
#ifndef TSI_LIB_HAIRPIN_H
#define TSI_LIB_HAIRPIN_H

#include "lib/deliver.h"
#include "lib/serve.h"

static __always_inline int back_into_pod(const struct packet *pkt, const struct endpoint *endpoint)
{
	int reason = address_frame(pkt->skb, endpoint);

	if (unlikely(reason))
		return drop(pkt, reason);
	delivered(pkt, endpoint);
	return bpf_redirect(endpoint->ifindex, 0);
}

/* A global function, verified once by itself. */
__noinline int note_hairpin(__u32 frontend, __u8 family, __u8 tcp_flags)
{
	struct balance *balance = this_balance();
	struct translation *translation = this_translation();

	if (!balance || !translation)
		return 0;
	translation->tuple = (struct nat_tuple){
		.key = {.source = balance->backend,
			.destination = hairpin_address(family),
			.source_port = balance->backend_port,
			.destination_port = balance->key.client_port,
			.protocol = balance->key.protocol,
			.direction = NAT_REVERSE},
		.family = family,
		.tcp_flags = tcp_flags,
	};
	if (nat_find(NAT_WAY, true) && translation->target.frontend == frontend)
		return 0;
	translation->target = (struct nat_entry6){
		.address = balance->key.client,
		.port = balance->key.client_port,
		.frontend = frontend,
	};
	return nat_write(NAT_WAY, BPF_ANY);
}

static __always_inline int to_itself(
	struct packet *pkt, const struct endpoint *endpoint, const struct balance *balance)
{
	union v6addr hairpin = hairpin_address(pkt->family);
	int reason;

	if (likely(!pkt->icmp_error))
		note_hairpin(pkt->frontend, pkt->family, pkt->tcp_flags);
	if (unlikely(balance->by_port) && !pkt->icmp_error)
		note_answer(pkt->frontend, pkt->family, pkt->tcp_flags);
	pkt->trace = balance->opened ? TRACE_DUE | TRACE_REASON_NEW
				     : due_by_flags(pkt, TRACE_REASON_ESTABLISHED);
	reason = to_backend(pkt, balance);
	if (!reason)
		reason = rewrite_end(pkt, PACKET_SOURCE, &hairpin, pkt->source_port);
	return unlikely(reason) ? drop(pkt, reason) : back_into_pod(pkt, endpoint);
}

static __always_inline int answer_itself(struct packet *pkt, const struct endpoint *endpoint)
{
	int reason = 0;

	if (!unmasquerade(pkt, &reason) || !pkt->reply_frontend)
		return drop(pkt, DROP_UNROUTABLE);
	pkt->is_reply = true;
	pkt->trace = due_by_flags(pkt, TRACE_REASON_REPLY);
	if (!reason)
		reason = restore_frontend(pkt);
	return unlikely(reason) ? drop(pkt, reason) : back_into_pod(pkt, endpoint);
}

#endif
