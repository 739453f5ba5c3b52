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
#include "lib/tunnel.h"

/* Link-scoped talk of the stack on its own device (MLD, router solicitations) is nobody's business.
 */
static __always_inline bool leaves_the_link(const struct packet *pkt)
{
	if (pkt->family == IPV4)
		return !is_multicast4(pkt->destination.words[3]);
	return !is_multicast6(&pkt->destination) && !is_link_local6(&pkt->destination);
}

static __always_inline __u32 identity_of_source(const struct packet *pkt)
{
	struct endpoint *endpoint = endpoint_of(&pkt->source);

	if (endpoint)
		return endpoint->identity;
	return identity_or_world(ipcache_find(&pkt->source), pkt->family);
}

static __always_inline int to_local_pod(struct packet *pkt, const struct endpoint *endpoint)
{
	int reason;

	pkt->endpoint_id = endpoint->id;
	pkt->destination_identity = endpoint->identity;
	if (unlikely(!pkt->has_ports))
		return drop(pkt, DROP_FIRST_FRAGMENT_MISSING);
	reason = track(pkt, false);
	if (unlikely(reason))
		return drop(pkt, reason);
	return deliver_from_egress(pkt, endpoint);
}

static __always_inline int to_pod(struct packet *pkt)
{
	struct endpoint *local = endpoint_of(&pkt->destination);
	struct ipcache_entry *remote;

	pkt->source_identity = identity_of_source(pkt);
	if (local && !is_host(local))
		return to_local_pod(pkt, local);
	remote = ipcache_find(&pkt->destination);
	pkt->destination_identity = identity_or_world(remote, pkt->family);
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
