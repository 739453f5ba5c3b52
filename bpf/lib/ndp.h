/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The gateway's side of neighbour discovery (RFC 4861) on a pod's link: solicitations for the
 * router's address are answered here, other talk of the link is taken in, and what only routers may
 * say is refused.
 */
#ifndef TSI_LIB_NDP_H
#define TSI_LIB_NDP_H

#include <linux/ipv6.h>
#include <stddef.h>
#include "lib/checksum.h"
#include "lib/event.h"
#include "lib/icmp.h"
#include "lib/packet.h"
#include "maps/endpoint.h"

/* RFC 4861 4.4: Router, Solicited, Override. */
#define NDP_ADVERTISEMENT_FLAGS 0xe0000000
#define NDP_OPTION_TARGET_LINK_ADDRESS 2

struct neighbour_message {
	struct icmp_head icmp;
	union v6addr target;
};

struct neighbour_advertisement {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be32 flags;
	union v6addr target;
	__u8 option_type;
	/* In units of 8 bytes. */
	__u8 option_length;
	__u8 option_mac[6];
};

struct advertisement_frame {
	/* So that what follows the Ethernet header is aligned. */
	__u8 padding[2];
	struct ethhdr ethernet;
	struct ipv6hdr ip;
	struct neighbour_advertisement body;
};

#define ADVERTISEMENT_LENGTH                                                                       \
	(sizeof(struct advertisement_frame) - offsetof(struct advertisement_frame, ethernet))

static __always_inline void write_advertisement(struct advertisement_frame *frame,
	const struct endpoint *endpoint, const union v6addr *asker)
{
	struct neighbour_advertisement *body = &frame->body;
	union v6addr router = constant_address(&router_ipv6);

	__builtin_memcpy(frame->ethernet.h_dest, endpoint->mac, 6);
	__builtin_memcpy(frame->ethernet.h_source, endpoint->node_mac, 6);
	frame->ethernet.h_proto = bpf_htons(ETH_P_IPV6);
	frame->ip.version = 6;
	frame->ip.payload_len = bpf_htons(sizeof(*body));
	frame->ip.nexthdr = IPPROTO_ICMPV6;
	/* RFC 4861 7.1.2: anything less has crossed a router. */
	frame->ip.hop_limit = 255;
	__builtin_memcpy(&frame->ip.saddr, &router, sizeof(router));
	__builtin_memcpy(&frame->ip.daddr, asker, sizeof(*asker));
	body->type = NDP_NEIGHBOUR_ADVERTISEMENT;
	body->flags = bpf_htonl(NDP_ADVERTISEMENT_FLAGS);
	__builtin_memcpy(&body->target, &router, sizeof(router));
	body->option_type = NDP_OPTION_TARGET_LINK_ADDRESS;
	body->option_length = 1;
	__builtin_memcpy(body->option_mac, endpoint->node_mac, 6);
	body->checksum = fold_checksum(pseudo_sum6(&frame->ip, sizeof(*body), IPPROTO_ICMPV6) +
				       bpf_csum_diff(0, 0, (__be32 *)body, sizeof(*body), 0));
}

/* Out of line, as it is not every packet's. */
static __noinline int send_advertisement(
	struct __sk_buff *skb, const struct endpoint *endpoint, const union v6addr *asker)
{
	struct advertisement_frame *frame = new_answer();

	if (!frame)
		return DROP_NO_CONFIG;
	write_advertisement(frame, endpoint, asker);
	if (bpf_skb_change_tail(skb, ADVERTISEMENT_LENGTH, 0) ||
		bpf_skb_store_bytes(skb, 0, &frame->ethernet, ADVERTISEMENT_LENGTH, 0))
		return DROP_WRITE_ERROR;
	return 0;
}

static __always_inline int handle_solicitation(
	const struct packet *pkt, const struct endpoint *endpoint)
{
	struct neighbour_message *message = header_at(pkt->skb, pkt->l4_offset, sizeof(*message));
	union v6addr asker = pkt->source;
	int reason;

	if (!message || pkt->hops != 255)
		return drop(pkt, DROP_INVALID_PACKET);
	/* Duplicate address detection: nobody else has the pod's addresses. */
	if (no_address(&asker) || same_address(&message->target, &endpoint->ipv6))
		return absorb(pkt);
	if (!same_address(&asker, &endpoint->ipv6) && !is_link_local6(&asker))
		return drop(pkt, DROP_INVALID_SOURCE);
	if (!is_constant(&message->target, &router_ipv6))
		return drop(pkt, DROP_UNKNOWN_TARGET);
	reason = send_advertisement(pkt->skb, endpoint, &asker);
	if (reason)
		return drop(pkt, reason);
	forwarded(pkt, TRACE_TO_POD);
	return bpf_redirect(pkt->skb->ifindex, 0);
}

/* CONTINUE for everything that is not talk of the link. */
static __always_inline int handle_ndp(const struct packet *pkt, const struct endpoint *endpoint)
{
	if (likely(pkt->protocol != IPPROTO_ICMPV6 || pkt->fragment == FRAGMENT_LATER))
		return CONTINUE;
	switch (pkt->icmp_type) {
	case NDP_NEIGHBOUR_SOLICITATION:
		return handle_solicitation(pkt, endpoint);
	case NDP_ROUTER_SOLICITATION:
	case NDP_NEIGHBOUR_ADVERTISEMENT:
	case MLD_REPORT:
	case MLD_DONE:
	case MLD2_REPORT:
		return absorb(pkt);
	case NDP_ROUTER_ADVERTISEMENT:
	case NDP_REDIRECT:
	case MLD_QUERY:
		return drop(pkt, DROP_FORBIDDEN_ICMP6);
	}
	return CONTINUE;
}

#endif
