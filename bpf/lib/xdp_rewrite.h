/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Puts both ends that a packet is to have into its frame, and takes one hop. Checksums change by the difference (RFC 1624), so one
 * that was wrong stays wrong.
 */
#ifndef TSI_LIB_XDP_REWRITE_H
#define TSI_LIB_XDP_REWRITE_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include "lib/checksum.h"
#include "lib/xdp_frame.h"

/* In place of "no checksum" (RFC 768). */
#define UDP_CHECKSUM_ZERO 0xffff

/* What a sum changes by: ~m + m'. */
static __always_inline __u64 change16(__be16 from, __be16 to)
{
	return (__u16)~from + to;
}

static __always_inline __u64 change32(__be32 from, __be32 to)
{
	return (__u64)(__u32)~from + to;
}

static __always_inline __u64 change_address(const void *from, const union v6addr *to)
{
	const __be32 *words = from;

	return change32(words[0], to->words[0]) + change32(words[1], to->words[1]) +
	       change32(words[2], to->words[2]) + change32(words[3], to->words[3]);
}

static __always_inline __sum16 changed(__sum16 checksum, __u64 change)
{
	return fold_checksum((__u16)~checksum + change);
}

static __always_inline bool rewrite_tcp(
	const struct xdp_md *ctx, __u32 offset, const struct packet *pkt, __u64 change)
{
	struct tcphdr *tcp = frame_at(ctx, offset, sizeof(*tcp));

	if (!tcp)
		return false;
	change += change16(tcp->source, pkt->source_port) +
		  change16(tcp->dest, pkt->destination_port);
	tcp->source = pkt->source_port;
	tcp->dest = pkt->destination_port;
	tcp->check = changed(tcp->check, change);
	return true;
}

static __always_inline bool rewrite_udp(
	const struct xdp_md *ctx, __u32 offset, const struct packet *pkt, __u64 change)
{
	struct udphdr *udp = frame_at(ctx, offset, sizeof(*udp));

	if (!udp)
		return false;
	change += change16(udp->source, pkt->source_port) +
		  change16(udp->dest, pkt->destination_port);
	udp->source = pkt->source_port;
	udp->dest = pkt->destination_port;
	if (udp->check)
		udp->check = changed(udp->check, change) ?: UDP_CHECKSUM_ZERO;
	return true;
}

/* change: the addresses'. */
static __always_inline bool rewrite_l4(
	const struct xdp_md *ctx, __u32 offset, const struct packet *pkt, __u64 change)
{
	return pkt->protocol == IPPROTO_TCP ? rewrite_tcp(ctx, offset, pkt, change)
					    : rewrite_udp(ctx, offset, pkt, change);
}

static __always_inline bool rewrite4(
	const struct xdp_md *ctx, __u32 offset, const struct packet *pkt)
{
	struct iphdr *ip = frame_at(ctx, offset, sizeof(*ip));
	__u64 addresses;

	if (!ip)
		return false;
	addresses = change32(ip->saddr, pkt->source.words[3]) +
		    change32(ip->daddr, pkt->destination.words[3]);
	ip->saddr = pkt->source.words[3];
	ip->daddr = pkt->destination.words[3];
	ip->ttl--;
	/* The TTL is the high byte of its word: one less there is ~0x0100 more. */
	ip->check = changed(ip->check, addresses + (__u16)~bpf_htons(0x0100));
	return rewrite_l4(ctx, offset + sizeof(*ip), pkt, addresses);
}

static __always_inline bool rewrite6(
	const struct xdp_md *ctx, __u32 offset, const struct packet *pkt)
{
	struct ipv6hdr *ip = frame_at(ctx, offset, sizeof(*ip));
	__u64 addresses;

	if (!ip)
		return false;
	addresses = change_address(&ip->saddr, &pkt->source) +
		    change_address(&ip->daddr, &pkt->destination);
	*(union v6addr *)&ip->saddr = pkt->source;
	*(union v6addr *)&ip->daddr = pkt->destination;
	ip->hop_limit--;
	return rewrite_l4(ctx, offset + sizeof(*ip), pkt, addresses);
}

/* offset: of the packet's Ethernet header now. Whether it was done; of a frame that was parsed it always is. */
static __always_inline bool rewrite_frame(const struct frame *frame, __u32 offset)
{
	return frame->packet.family == IPV4
		       ? rewrite4(frame->ctx, offset + L3_OFFSET, &frame->packet)
		       : rewrite6(frame->ctx, offset + L3_OFFSET, &frame->packet);
}

#endif
