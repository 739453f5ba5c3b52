// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcx ingress of tsi_vxlan: what other nodes' pods and stacks send, decapsulated.
 *
 *   other node ==== eth0 --> vxlan --> [here] --> local pod    redirect_peer
 *                                             --> own node     the stack
 *                                             --> the router   a backend's answer: on to the client
 */
#include "lib/conntrack.h"
#include "lib/deliver.h"
#include "lib/dsr.h"
#include "lib/identity.h"
#include "lib/outside.h"
#include "lib/parse.h"
#include "lib/refuse.h"
#include "lib/tunnel.h"

/* The inner frame was addressed to some device of the sender's; for the stack it is ours. */
static __always_inline void take_in(const struct packet *pkt)
{
	if (pkt->skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(pkt->skb, PACKET_HOST);
}

/* A denied packet's answer goes back through the tunnel, from the pod that it is about. */
static __always_inline int deny(struct packet *pkt, int reason)
{
	union v6addr sender = {};

	if (unlikely(pkt->frontend))
		return refuse_as_frontend(pkt, reason);
	if (!refuse(pkt, reason) || tunnel_source(pkt, &sender))
		return TC_ACT_SHOT;
	return encapsulate(pkt, &sender, pkt->destination_identity);
}

/* For the node itself, or for a client that asked a service here and that the node stands in for. */
static __always_inline int to_node(struct packet *pkt)
{
	int reason = 0;

	if (enable_node_port && pkt->has_ports && unmasquerade(pkt, &reason)) {
		if (reason)
			return drop(pkt, reason);
		if (pkt->reply_frontend)
			return answer_client(pkt);
	}
	pkt->trace = due_by_flags(pkt, TRACE_REASON_UNKNOWN);
	take_in(pkt);
	return to_stack(pkt, TRACE_TO_HOST);
}

static __always_inline int to_pod(struct packet *pkt, const struct endpoint *endpoint)
{
	int reason;

	pkt->endpoint_id = endpoint->id;
	pkt->destination_identity = endpoint->identity;
	if (is_host(endpoint))
		return to_node(pkt);
	if (unlikely(!pkt->has_ports))
		return drop(pkt, DROP_FIRST_FRAGMENT_MISSING);
	set_destination_pod(pkt, endpoint);
	reason = track(pkt, false);
	if (unlikely(reason))
		return deny(pkt, reason);
	believe(pkt);
	if (unlikely(pkt->proxy_port))
		return to_proxy(pkt);
	if (unlikely(pkt->hops <= 1)) {
		take_in(pkt);
		return expired(pkt);
	}
	if (unlikely(pkt->reply_frontend)) {
		reason = restore_frontend(pkt);
		if (reason)
			return drop(pkt, reason);
	}
	return deliver_from_ingress(pkt, endpoint);
}

static __always_inline int from_tunnel(struct packet *pkt)
{
	struct endpoint *local;
	int reason = tunnel_sender(pkt);
	bool said;

	if (unlikely(reason))
		return drop(pkt, reason);
	said = strip_dsr(pkt);
	reason = parse(pkt);
	if (unlikely(reason))
		return drop(pkt, reason);
	if (enable_dsr)
		pkt->frontend = said_frontend(said, pkt->protocol);
	tell_nodes_apart(pkt);
	received(pkt, TRACE_FROM_OVERLAY);
	local = endpoint_of(&pkt->destination);
	if (unlikely(!local))
		return drop(pkt, DROP_UNROUTABLE);
	return to_pod(pkt, local);
}

SEC("tc")
int tsi_from_overlay(struct __sk_buff *skb)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_INGRESS};

	if (enable_ipv4 && skb->protocol == bpf_htons(ETH_P_IP)) {
		pkt.family = IPV4;
		return from_tunnel(&pkt);
	}
	if (enable_ipv6 && skb->protocol == bpf_htons(ETH_P_IPV6)) {
		pkt.family = IPV6;
		return from_tunnel(&pkt);
	}
	/* Nothing else is ever sent into the tunnel; known nodes do not resolve addresses over it.
	 */
	return drop(&pkt, DROP_UNSUPPORTED_L3);
}

char _license[] SEC("license") = "Dual BSD/GPL";
