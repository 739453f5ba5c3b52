// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcx egress of tsi_host: what the node's stack sends towards pods, its own packets and those it
 * forwards. The node has routes for all pod CIDRs over tsi_host (in native mode for its own only).
 *
 *   stack --> tsi_host --> [here] --> local pod     redirect to its host-side veth
 *                                 --> remote pod    tsi_vxlan
 */
#include "lib/conntrack.h"
#include "lib/deliver.h"
#include "lib/identity.h"
#include "lib/parse.h"
#include "lib/proxy.h"
#include "lib/refuse.h"
#include "lib/serve.h"
#include "lib/tunnel.h"

/* Link-scoped talk of the stack on its own device (MLD, router solicitations) is nobody's business.
 */
static __always_inline bool leaves_the_link(const struct packet *pkt)
{
	if (pkt->family == IPV4)
		return !is_multicast4(pkt->destination.words[3]);
	return !is_multicast6(&pkt->destination) && !is_link_local6(&pkt->destination);
}

/* The node itself, or, when it forwards, whoever sent the packet. Returns whether that is a pod of this node: a proxy answers in its
 * place, or the stack carries what it sent.
 */
static __always_inline bool learn_source(struct packet *pkt)
{
	struct endpoint *local = endpoint_of(&pkt->source);
	struct ipcache_entry *entry;

	if (local) {
		pkt->source_identity = local->identity;
		/* A local pod's packet that the stack carries here (a fragment of one that was too big
		 * for the tunnel) was judged where it left the pod.
		 */
		pkt->source_owner = is_host(local) ? 0 : local->ifindex;
		return !is_host(local);
	}
	entry = ipcache_find(&pkt->source);
	pkt->source_identity = identity_or_world(entry, pkt->family);
	pkt->source_owner = entry ? entry->owner : 0;
	return false;
}

/* A denied packet's answer goes back into the stack, as if tsi_host had received it. */
static __always_inline int deny(const struct packet *pkt, int reason)
{
	return refuse(pkt, reason) ? bpf_redirect(tsi_host_ifindex, BPF_F_INGRESS) : TC_ACT_SHOT;
}

/* Whether a proxy sent it, and which. */
static __always_inline enum conntrack_part part_of(const struct __sk_buff *skb)
{
	return enable_l7_proxy ? part_by_mark(skb->mark) : CONNTRACK_CLIENT;
}

static __always_inline int to_local_pod(struct packet *pkt, const struct endpoint *endpoint)
{
	int reason;

	pkt->endpoint_id = endpoint->id;
	set_destination_pod(pkt, endpoint);
	pkt->part = part_of(pkt->skb);
	if (unlikely(!pkt->has_ports))
		return drop(pkt, DROP_FIRST_FRAGMENT_MISSING);
	reason = track(pkt, false);
	if (unlikely(reason))
		return deny(pkt, reason);
	if (unlikely(pkt->proxy_port))
		return to_proxy_by_host(pkt);
	if (unlikely(pkt->reply_frontend)) {
		reason = restore_frontend(pkt);
		if (reason)
			return drop(pkt, reason);
	}
	return deliver_from_egress(pkt, endpoint);
}

/* The router's address is lent to clients from outside (take_place()): the node's own connections from it are noted, so that both
 * never use one port towards one backend.
 */
static __always_inline void note_own_connection(struct packet *pkt)
{
	union v6addr router = router_address(pkt->family);

	if (!same_address(&pkt->source, &router) || !pkt->has_ports || pkt->icmp_error)
		return;
	if (has_port(pkt) && is_masquerade_port(bpf_ntohs(pkt->source_port)))
		masquerade_as(pkt, &router, NAT_HOST, false);
}

static __always_inline int to_pod(struct packet *pkt)
{
	struct endpoint *local = endpoint_of(&pkt->destination);
	struct ipcache_entry *remote;
	bool from_pod = learn_source(pkt);

	if (local && !is_host(local))
		return to_local_pod(pkt, local);
	remote = ipcache_find(&pkt->destination);
	pkt->destination_identity = identity_or_world(remote, pkt->family);
	if (is_tunnelled(remote) && enable_node_port)
		note_own_connection(pkt);
	pkt->is_reply = enable_l7_proxy && from_pod && pkt->has_ports && note_answer_for_pod(pkt);
	pkt->trace = due_by_flags(pkt, pkt->is_reply ? TRACE_REASON_REPLY : TRACE_REASON_UNKNOWN);
	if (is_tunnelled(remote))
		return encapsulate(pkt, &remote->tunnel_endpoint, pkt->source_identity);
	/* A pod's address without a pod. Left to itself the packet would circle between tsi_host
	 * and the stack until its hops are used up.
	 */
	return drop(pkt, DROP_UNROUTABLE);
}

static __always_inline int from_stack(struct packet *pkt)
{
	int reason = parse(pkt);

	if (unlikely(reason))
		return drop(pkt, reason);
	if (!leaves_the_link(pkt))
		return TC_ACT_OK;
	received(pkt, TRACE_FROM_HOST);
	return to_pod(pkt);
}

SEC("tc")
int tsi_from_host(struct __sk_buff *skb)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_INGRESS};

	if (enable_ipv4 && skb->protocol == bpf_htons(ETH_P_IP)) {
		pkt.family = IPV4;
		return from_stack(&pkt);
	}
	if (enable_ipv6 && skb->protocol == bpf_htons(ETH_P_IPV6)) {
		pkt.family = IPV6;
		return from_stack(&pkt);
	}
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
