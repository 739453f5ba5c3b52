/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The last step towards a local pod: be its router for one hop, address the frame, hand it over. */
#ifndef TSI_LIB_DELIVER_H
#define TSI_LIB_DELIVER_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stddef.h>
#include "lib/event.h"
#include "lib/packet.h"
#include "maps/endpoint.h"

struct frame_head {
	__u8 destination[6];
	__u8 source[6];
};

_Static_assert(offsetof(struct endpoint, node_mac) == offsetof(struct endpoint, mac) + 6,
	"mac and node_mac are copied as one frame head");

/* A packet whose hops end here: counted as our drop; the kernel, whose router rules say the same,
 * drops it and answers the sender (RFC 792 time exceeded, RFC 4443 3.3).
 */
static __always_inline int expired(const struct packet *pkt)
{
	record_drop(pkt, DROP_TTL_EXCEEDED);
	return TC_ACT_OK;
}

static __always_inline int decrement_ttl4(struct __sk_buff *skb)
{
	struct iphdr *ip = header_at(skb, L3_OFFSET, sizeof(*ip));
	__u32 check;

	if (!ip)
		return -1;
	/* RFC 1624: TTL is the high byte of its 16-bit word, one less there is 0x100 more here. */
	check = ip->check + bpf_htons(0x0100);
	ip->check = check + (check >= 0xffff);
	ip->ttl--;
	return 0;
}

/* Through the helper: a NIC's sum over the whole packet (CHECKSUM_COMPLETE) covers the hop limit,
 * and unlike IPv4's header nothing in it makes up for the change.
 */
static __always_inline int decrement_hop_limit6(const struct packet *pkt)
{
	__u8 hops = pkt->hops - 1;

	return bpf_skb_store_bytes(pkt->skb, L3_OFFSET + offsetof(struct ipv6hdr, hop_limit), &hops,
		sizeof(hops), BPF_F_RECOMPUTE_CSUM);
}

/* 0, or the drop reason. */
static __always_inline int route_one_hop(const struct packet *pkt)
{
	if (pkt->family == IPV4 ? decrement_ttl4(pkt->skb) : decrement_hop_limit6(pkt))
		return DROP_WRITE_ERROR;
	return 0;
}

static __always_inline int address_frame(struct __sk_buff *skb, const struct endpoint *endpoint)
{
	struct frame_head *head = header_at(skb, 0, sizeof(*head));

	if (!head)
		return DROP_WRITE_ERROR;
	__builtin_memcpy(head, endpoint->mac, sizeof(*head));
	return 0;
}

/* Told as the packet of the pod that gets it, whoever sent it. */
static __always_inline void delivered(const struct packet *pkt, const struct endpoint *endpoint)
{
	struct event_place place = {.direction = DIRECTION_INGRESS, .endpoint_id = endpoint->id};

	forwarded_at(pkt, TRACE_TO_POD, place);
}

/* From an ingress hook: straight into the pod's namespace, without a second pass through the stack.
 */
static __always_inline int deliver_from_ingress(
	const struct packet *pkt, const struct endpoint *endpoint)
{
	int reason = route_one_hop(pkt);

	if (!reason)
		reason = address_frame(pkt->skb, endpoint);
	if (unlikely(reason))
		return drop(pkt, reason);
	/* A frame that came for another link address would be ignored by the pod. */
	if (unlikely(pkt->skb->pkt_type != PACKET_HOST))
		bpf_skb_change_type(pkt->skb, PACKET_HOST);
	delivered(pkt, endpoint);
	return bpf_redirect_peer(endpoint->ifindex, 0);
}

/* From an egress hook, where redirect_peer is not to be had; the stack has already routed. */
static __always_inline int deliver_from_egress(
	const struct packet *pkt, const struct endpoint *endpoint)
{
	int reason = address_frame(pkt->skb, endpoint);

	if (unlikely(reason))
		return drop(pkt, reason);
	delivered(pkt, endpoint);
	return bpf_redirect(endpoint->ifindex, 0);
}

#endif
