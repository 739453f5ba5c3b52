// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcx ingress of an underlay device: what reaches the node from outside. What is for the node
 * itself, tunnelled packets included, is the stack's; what is malformed too.
 *
 *   wire --> eth0 --> [here] --> local pod, addressed by itself        redirect_peer
 *                            --> local pod, answering a masqueraded    address restored, redirect_peer
 *                            --> own node                              the stack
 */
#include "lib/deliver.h"
#include "lib/masquerade.h"
#include "lib/parse.h"
#include "lib/refuse.h"
#include "lib/tunnel.h"

static __always_inline bool is_tunnel_packet(const struct packet *pkt)
{
	return pkt->protocol == IPPROTO_UDP && pkt->destination_port == bpf_htons(tunnel_port);
}

/* Anybody on the underlay can write any source address. Those of local pods and of this node never
 * come from there, and those of remote pods only through the tunnel, where there is one.
 */
static __always_inline bool is_forged(const struct packet *pkt, const struct ipcache_entry *sender)
{
	return is_tunnelled(sender) || endpoint_of(&pkt->source);
}

/* A denied packet's answer leaves by the device that it came in by; one to what answered a masqueraded
 * connection would show it the pod's own address.
 */
static __always_inline int deny(const struct packet *pkt, const bool known_reply, int reason)
{
	if (known_reply)
		return drop(pkt, reason);
	return refuse(pkt, reason) ? bpf_redirect(pkt->skb->ifindex, 0) : TC_ACT_SHOT;
}

static __always_inline int to_pod(
	struct packet *pkt, const struct endpoint *endpoint, const bool known_reply)
{
	struct ipcache_entry *sender = ipcache_find(&pkt->source);
	int reason;

	pkt->endpoint_id = endpoint->id;
	set_destination_pod(pkt, endpoint);
	pkt->source_identity = identity_or_world(sender, pkt->family);
	pkt->source_owner = sender ? sender->owner : 0;
	if (unlikely(is_forged(pkt, sender)))
		return drop(pkt, DROP_INVALID_SOURCE);
	if (unlikely(!pkt->has_ports))
		return drop(pkt, DROP_FIRST_FRAGMENT_MISSING);
	reason = track(pkt, known_reply);
	if (unlikely(reason))
		return deny(pkt, known_reply, reason);
	if (unlikely(pkt->hops <= 1))
		return expired(pkt);
	return deliver_from_ingress(pkt, endpoint);
}

/* For the node's own address: a pod's reply, or the node's own business. */
static __always_inline int to_node(struct packet *pkt)
{
	struct endpoint *endpoint;
	int reason = 0;

	if (!is_masquerading(pkt->family) || !pkt->has_ports || is_tunnel_packet(pkt))
		return TC_ACT_OK;
	if (!unmasquerade(pkt, &reason))
		return TC_ACT_OK;
	if (reason)
		return drop(pkt, reason);
	endpoint = endpoint_of(&pkt->destination);
	if (!endpoint)
		return drop(pkt, DROP_UNROUTABLE);
	if (is_host(endpoint))
		return TC_ACT_OK;
	return to_pod(pkt, endpoint, true);
}

static __always_inline int from_wire(struct packet *pkt)
{
	union v6addr node = node_address(pkt->family);
	struct endpoint *endpoint;

	if (parse(pkt))
		return TC_ACT_OK;
	if (same_address(&pkt->destination, &node))
		return to_node(pkt);
	endpoint = endpoint_of(&pkt->destination);
	if (!endpoint || is_host(endpoint))
		return TC_ACT_OK;
	return to_pod(pkt, endpoint, false);
}

SEC("tc")
int tsi_from_netdev(struct __sk_buff *skb)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_INGRESS};

	/* Broadcast and multicast frames, and those a promiscuous device overhears. */
	if (skb->pkt_type != PACKET_HOST)
		return TC_ACT_OK;
	if (enable_ipv4 && skb->protocol == bpf_htons(ETH_P_IP)) {
		pkt.family = IPV4;
		return from_wire(&pkt);
	}
	if (enable_ipv6 && skb->protocol == bpf_htons(ETH_P_IPV6)) {
		pkt.family = IPV6;
		return from_wire(&pkt);
	}
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
