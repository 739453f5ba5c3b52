/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The gateway's side of ARP on a pod's link: answered here, for the router's address alone. */
#ifndef TSI_LIB_ARP_H
#define TSI_LIB_ARP_H

#include "lib/event.h"
#include "lib/packet.h"
#include "maps/endpoint.h"

/* RFC 826; linux/if_arp.h drags in the C library. */
#define ARPHRD_ETHER 1
#define ARPOP_REQUEST 1
#define ARPOP_REPLY 2

struct arp_frame {
	__u8 frame_destination[6];
	__u8 frame_source[6];
	__be16 ethertype;
	__be16 hardware_type;
	__be16 protocol_type;
	__u8 hardware_length;
	__u8 protocol_length;
	__be16 operation;
	__u8 sender_mac[6];
	__be32 sender;
	__u8 target_mac[6];
	__be32 target;
} __attribute__((packed));

static __always_inline bool is_ipv4_over_ethernet(const struct arp_frame *arp)
{
	return arp->hardware_type == bpf_htons(ARPHRD_ETHER) &&
	       arp->protocol_type == bpf_htons(ETH_P_IP) && arp->hardware_length == 6 &&
	       arp->protocol_length == 4;
}

static __always_inline int send_arp_reply(
	const struct packet *pkt, struct arp_frame *arp, const struct endpoint *endpoint)
{
	__be32 router = arp->target;

	arp->operation = bpf_htons(ARPOP_REPLY);
	arp->target = arp->sender;
	arp->sender = router;
	__builtin_memcpy(arp->target_mac, endpoint->mac, 6);
	__builtin_memcpy(arp->sender_mac, endpoint->node_mac, 6);
	__builtin_memcpy(arp->frame_destination, endpoint->mac, 6);
	__builtin_memcpy(arp->frame_source, endpoint->node_mac, 6);
	forwarded(pkt, TRACE_TO_POD);
	return bpf_redirect(pkt->skb->ifindex, 0);
}

/* A pod may ask for its gateway, announce itself and probe for its own address (sender 0, RFC
 * 5227); it may not speak for others, and has no neighbours to ask about: its address is a /32.
 */
static __always_inline int handle_arp(const struct packet *pkt, const struct endpoint *endpoint)
{
	struct arp_frame *arp = header_at(pkt->skb, 0, sizeof(*arp));

	if (!arp || !is_ipv4_over_ethernet(arp))
		return drop(pkt, DROP_INVALID_PACKET);
	if (__builtin_memcmp(arp->sender_mac, endpoint->mac, 6) ||
		(arp->sender && arp->sender != endpoint->ipv4))
		return drop(pkt, DROP_INVALID_SOURCE);
	if (arp->operation != bpf_htons(ARPOP_REQUEST) || arp->target == endpoint->ipv4)
		return absorb(pkt);
	if (arp->target != router_ipv4)
		return drop(pkt, DROP_UNKNOWN_TARGET);
	return send_arp_reply(pkt, arp, endpoint);
}

#endif
