// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* XDP of an underlay device: clients from outside whose backend is on another node, and the way back to them, before the kernel
 * makes an skb of either. Everything else passes as it came and meets from_netdev, which knows how to do all of this too.
 *
 *   client --> frontend   [here]   node   ---------------------> backend     by the same device: XDP_TX
 *                                  router ====== VXLAN ========> backend     by another: redirected
 *
 *   client <-- frontend   [here]   node   <--------------------- backend
 *                                  router <===== VXLAN ========= backend
 */
#include "lib/xdp_parse.h"
#include "lib/xdp_rewrite.h"
#include "lib/xdp_route.h"
#include "lib/xdp_service.h"
#include "lib/xdp_tunnel.h"

/* Not a verdict: there is a packet inside this one. */
#define TUNNELLED (-102)

/* outer: bytes of the headers that are put around. The frame can pass as it came until it grows or shrinks, and nothing that is
 * checked after that fails.
 */
static __always_inline int go_on(struct frame *frame, const __u32 outer)
{
	__u32 length = frame_length(frame->ctx) - frame->offset;
	struct bpf_fib_lookup way;

	if (!(outer ? find_tunnel(frame, outer, &way) : find_way(frame, &way)) ||
		!fit_frame(frame, outer))
		return XDP_PASS;
	if (!rewrite_frame(frame, outer) || (outer && !write_outer(frame)) ||
		!address_way(frame->ctx, &way))
		return XDP_ABORTED;
	count_packet(length, METRIC_FORWARDED, DIRECTION_INGRESS);
	return leave_by(frame->ctx, way.ifindex);
}

static __always_inline int from_wire(struct xdp_md *ctx, enum family family)
{
	struct frame frame = {.ctx = ctx, .packet.family = family};
	const struct packet *pkt = &frame.packet;
	union v6addr node = node_address(family);
	struct balance *balance = this_balance();
	bool for_node_address, for_service;

	if (!balance || !parse_frame(&frame))
		return XDP_PASS;
	for_node_address = same_address(&pkt->destination, &node);
	if (is_tunnel_packet(pkt))
		return for_node_address && is_ours(ctx) && is_believed(&frame) ? TUNNELLED
									       : XDP_PASS;
	for_service = is_for_service(pkt, balance, for_node_address);
	if (!(for_service || for_node_address) || !is_ours(ctx) ||
		!(for_service ? to_backend_elsewhere(&frame, balance) : to_client(&frame)))
		return XDP_PASS;
	if (likely(!frame.remote))
		return go_on(&frame, 0);
	return is_mapped(&frame.remote->tunnel_endpoint) ? go_on(&frame, OUTER4_LENGTH)
							 : go_on(&frame, OUTER6_LENGTH);
}

/* The answer of a pod elsewhere. Most of what comes out of a tunnel is for pods here, and not looked at any further. */
static __always_inline int from_tunnel(struct xdp_md *ctx, const __u32 outer, enum family family)
{
	struct frame frame = {.ctx = ctx, .offset = outer, .packet.family = family};
	union v6addr router = router_address(family);

	if (!parse_frame(&frame) || !same_address(&frame.packet.destination, &router) ||
		!to_client(&frame))
		return XDP_PASS;
	return go_on(&frame, 0);
}

/* Global functions, verified once by themselves, and with frames of their own. */
__noinline int forward4(struct xdp_md *ctx)
{
	return from_wire(ctx, IPV4);
}

__noinline int forward6(struct xdp_md *ctx)
{
	return from_wire(ctx, IPV6);
}

__noinline int answer4(struct xdp_md *ctx, __u32 outer)
{
	return outer == OUTER4_LENGTH ? from_tunnel(ctx, OUTER4_LENGTH, IPV4)
				      : from_tunnel(ctx, OUTER6_LENGTH, IPV4);
}

__noinline int answer6(struct xdp_md *ctx, __u32 outer)
{
	return outer == OUTER4_LENGTH ? from_tunnel(ctx, OUTER4_LENGTH, IPV6)
				      : from_tunnel(ctx, OUTER6_LENGTH, IPV6);
}

/* verdict: of the packet itself. */
static __always_inline int look_inside(struct xdp_md *ctx, const __u32 outer, int verdict)
{
	struct ethhdr *inner = frame_at(ctx, outer, sizeof(*inner));

	if (verdict != TUNNELLED)
		return verdict;
	if (routing_mode != ROUTING_TUNNEL || !inner)
		return XDP_PASS;
	if (enable_ipv4 && inner->h_proto == bpf_htons(ETH_P_IP))
		return answer4(ctx, outer);
	if (enable_ipv6 && inner->h_proto == bpf_htons(ETH_P_IPV6))
		return answer6(ctx, outer);
	return XDP_PASS;
}

SEC("xdp")
int tsi_xdp(struct xdp_md *ctx)
{
	struct ethhdr *eth = frame_at(ctx, 0, sizeof(*eth));

	note_device(ctx);
	/* Traces are made of skbs. */
	if (!enable_node_port || trace_level() >= TRACE_SENT || !eth)
		return XDP_PASS;
	if (enable_ipv4 && eth->h_proto == bpf_htons(ETH_P_IP))
		return look_inside(ctx, OUTER4_LENGTH, forward4(ctx));
	if (enable_ipv6 && eth->h_proto == bpf_htons(ETH_P_IPV6))
		return look_inside(ctx, OUTER6_LENGTH, forward6(ctx));
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
