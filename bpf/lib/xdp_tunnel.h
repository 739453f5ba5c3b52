/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* VXLAN around a frame, as the kernel's device writes it, and as it is believed.
 *
 *   Ethernet 14 | IPv4 20 or IPv6 40 | UDP 8 | VXLAN 8 | the packet's own Ethernet header ...
 */
#ifndef TSI_LIB_XDP_TUNNEL_H
#define TSI_LIB_XDP_TUNNEL_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include "lib/checksum.h"
#include "lib/tunnel.h"
#include "lib/xdp_parse.h"
#include "lib/xdp_route.h"
#include "maps/node.h"

struct vxlan_head {
	__be32 flags;
	/* Its upper 24 bits. */
	__be32 vni;
};

#define VXLAN_HAS_VNI 0x08000000
#define VXLAN_RESERVED 0xff

/* UDP header and VXLAN's. */
#define UDP_VXLAN_LENGTH (sizeof(struct udphdr) + sizeof(struct vxlan_head))
#define OUTER4_LENGTH (ETH_HLEN + sizeof(struct iphdr) + UDP_VXLAN_LENGTH)
#define OUTER6_LENGTH (ETH_HLEN + sizeof(struct ipv6hdr) + UDP_VXLAN_LENGTH)

/* The source ports that the kernel's device takes (net.ipv4.ip_local_port_range's default), the last not included. */
#define TUNNEL_PORT_MIN 32768
#define TUNNEL_PORT_MAX 60999

/* RFC 3168 9.1.1, RFC 6040: congestion seen before the tunnel is not seen in it. */
#define ECN_ECT0 2
#define ECN_CE 3

/* outer: bytes of the headers. */
static __always_inline bool find_tunnel(
	const struct frame *frame, const __u32 outer, struct bpf_fib_lookup *way)
{
	union v6addr node = node_address(outer == OUTER4_LENGTH ? IPV4 : IPV6);

	if (is_unspecified(&node))
		return false;
	/* Of the IP packet outside: one Ethernet header more than the one inside. */
	*way = (struct bpf_fib_lookup){
		.l4_protocol = IPPROTO_UDP,
		.tot_len = outer + frame->length,
	};
	return ask_way(frame->ctx, way, &node, &frame->remote->tunnel_endpoint);
}

/* Room for a tunnel's headers, or none of them any more. Padding does not travel. */
static __always_inline bool fit_frame(const struct frame *frame, const __u32 outer)
{
	struct xdp_md *ctx = frame->ctx;
	__s32 padding;

	if (!outer)
		return !frame->offset || !bpf_xdp_adjust_head(ctx, frame->offset);
	padding = frame_length(ctx) - L3_OFFSET - frame->length;
	if (padding && bpf_xdp_adjust_tail(ctx, -padding))
		return false;
	return !bpf_xdp_adjust_head(ctx, -(__s32)outer);
}

static __always_inline __u8 outer_ecn(__u8 ecn)
{
	return ecn == ECN_CE ? ECN_ECT0 : ecn;
}

/* udp_flow_src_port(): the same for all packets of a flow, so that they take one path. */
static __always_inline __be16 tunnel_source_port(__u32 hash)
{
	hash ^= hash << 16;
	return bpf_htons(
		TUNNEL_PORT_MIN + ((__u64)hash * (TUNNEL_PORT_MAX - TUNNEL_PORT_MIN) >> 32));
}

static __always_inline bool write_vxlan(const struct frame *frame, __u32 offset, __u32 udp_length)
{
	struct udphdr *udp = frame_at(frame->ctx, offset, UDP_VXLAN_LENGTH);
	struct vxlan_head *vxlan;

	if (!udp)
		return false;
	vxlan = (void *)(udp + 1);
	udp->source = tunnel_source_port(frame->hash);
	udp->dest = bpf_htons(tunnel_port);
	udp->len = bpf_htons(udp_length);
	udp->check = 0;
	vxlan->flags = bpf_htonl(VXLAN_HAS_VNI);
	vxlan->vni = bpf_htonl(frame->vni << 8);
	return true;
}

/* IPv6 wants a checksum around the packet too (RFC 8200 8.1). From the inner checksum on, which is right, what it covers adds up to
 * the complement of its pseudo header (the kernel's "local checksum offload"): only headers are summed.
 */
static __always_inline bool write_checksum6(
	const struct frame *frame, const struct ipv6hdr *ip, __u32 udp_length)
{
	const bool inner4 = frame->packet.family == IPV4;
	const __u32 inner_ip = inner4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	/* What bpf_csum_diff() takes is a multiple of four; two bytes are left. */
	const __u32 size = UDP_VXLAN_LENGTH + ETH_HLEN + inner_ip - sizeof(__u16);
	const __u32 offset = ETH_HLEN + sizeof(*ip);
	struct udphdr *udp = frame_at(frame->ctx, offset, size + sizeof(__u16));
	__u64 sum;

	if (!udp)
		return false;
	/* Carries count: never fewer than 64 bits. */
	sum = pseudo_sum6(ip, udp_length, IPPROTO_UDP);
	sum += bpf_csum_diff(0, 0, (__be32 *)udp, size, 0);
	sum += *(__u16 *)((void *)udp + size);
	sum += (__u16)fold_checksum(sum_pseudo_header(&frame->packet, frame->length - inner_ip));
	udp->check = fold_checksum(sum) ?: 0xffff;
	return true;
}

static __always_inline bool write_outer4(const struct frame *frame)
{
	struct iphdr *ip = frame_at(frame->ctx, L3_OFFSET, sizeof(*ip));
	__u32 udp_length = UDP_VXLAN_LENGTH + ETH_HLEN + frame->length;

	if (!ip)
		return false;
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tos = outer_ecn(frame->ecn);
	ip->tot_len = bpf_htons(sizeof(*ip) + udp_length);
	/* It may be fragmented on its way, so it needs one. */
	ip->id = bpf_get_prandom_u32();
	ip->frag_off = 0;
	ip->ttl = TUNNEL_TTL;
	ip->protocol = IPPROTO_UDP;
	ip->saddr = node_ipv4;
	ip->daddr = frame->remote->tunnel_endpoint.words[3];
	checksum4(ip);
	return write_vxlan(frame, L3_OFFSET + sizeof(*ip), udp_length);
}

static __always_inline bool write_outer6(const struct frame *frame)
{
	struct ipv6hdr *ip = frame_at(frame->ctx, L3_OFFSET, sizeof(*ip));
	__u32 udp_length = UDP_VXLAN_LENGTH + ETH_HLEN + frame->length;

	if (!ip)
		return false;
	*(__be32 *)ip = bpf_htonl(6 << 28 | outer_ecn(frame->ecn) << 20);
	ip->payload_len = bpf_htons(udp_length);
	ip->nexthdr = IPPROTO_UDP;
	ip->hop_limit = TUNNEL_TTL;
	*(union v6addr *)&ip->saddr = constant_address(&node_ipv6);
	*(union v6addr *)&ip->daddr = frame->remote->tunnel_endpoint;
	return write_vxlan(frame, L3_OFFSET + sizeof(*ip), udp_length) &&
	       write_checksum6(frame, ip, udp_length);
}

/* All of the outer headers but Ethernet's; the packet itself is as it is to be. */
static __always_inline bool write_outer(const struct frame *frame)
{
	return is_mapped(&frame->remote->tunnel_endpoint) ? write_outer4(frame)
							  : write_outer6(frame);
}

/* Whether a tunnel packet is one that from_overlay would believe: the kernel's and tunnel_sender()'s conditions. */
static __always_inline bool is_believed(const struct frame *frame)
{
	const struct vxlan_head *vxlan = frame_at(
		frame->ctx, frame->packet.l4_offset + sizeof(struct udphdr), sizeof(*vxlan));
	struct address_key sender = {.address = frame->packet.source};
	struct node *node = bpf_map_lookup_elem(&tsi_nodes, &sender);

	return vxlan && node && !(node->flags & NODE_LOCAL) &&
	       vxlan->flags == bpf_htonl(VXLAN_HAS_VNI) && vxlan->vni &&
	       !(vxlan->vni & bpf_htonl(VXLAN_RESERVED)) && frame->ecn != ECN_CE;
}

#endif
