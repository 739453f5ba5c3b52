/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way on, by the kernel's routes and neighbours. What it does not know at once is for tc, which has the kernel ask for it. */
#ifndef TSI_LIB_XDP_ROUTE_H
#define TSI_LIB_XDP_ROUTE_H

#include "lib/leave.h"
#include "lib/xdp_device.h"

/* The way from one address to another for an IP packet of tot_len bytes, which is as much as it may need. */
static __always_inline bool ask_way(struct xdp_md *ctx, struct bpf_fib_lookup *way,
	const union v6addr *from, const union v6addr *to)
{
	way->ifindex = ingress_device(ctx);
	if (is_mapped(to)) {
		way->family = AF_INET;
		way->ipv4_src = from->words[3];
		way->ipv4_dst = to->words[3];
	} else {
		way->family = AF_INET6;
		__builtin_memcpy(way->ipv6_src, from, sizeof(*from));
		__builtin_memcpy(way->ipv6_dst, to, sizeof(*to));
	}
	if (bpf_fib_lookup(ctx, way, sizeof(*way), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return false;
	return way->ifindex == ingress_device(ctx) || can_send(way->ifindex);
}

/* The packet's own, as it is to be. Asked as tc asks (lib/leave.h). */
static __always_inline bool find_way(const struct frame *frame, struct bpf_fib_lookup *way)
{
	const struct packet *pkt = &frame->packet;

	*way = (struct bpf_fib_lookup){
		.l4_protocol = pkt->family == IPV4 ? pkt->protocol : 0,
		.tot_len = frame->length,
	};
	return ask_way(frame->ctx, way, &pkt->source, &pkt->destination);
}

static __always_inline bool address_way(struct xdp_md *ctx, const struct bpf_fib_lookup *way)
{
	struct ethhdr *eth = frame_at(ctx, 0, sizeof(*eth));

	if (!eth)
		return false;
	__builtin_memcpy(eth->h_dest, way->dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, way->smac, ETH_ALEN);
	eth->h_proto = bpf_htons(way->family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
	return true;
}

static __always_inline int leave_by(struct xdp_md *ctx, __u32 ifindex)
{
	return ifindex == ingress_device(ctx) ? XDP_TX : bpf_redirect(ifindex, 0);
}

#endif
