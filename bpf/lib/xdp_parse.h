/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fills struct frame from what is quickly read: TCP and UDP, whole, in IP without options or extension headers. All else is for tc,
 * which knows what to make of it.
 */
#ifndef TSI_LIB_XDP_PARSE_H
#define TSI_LIB_XDP_PARSE_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include "lib/checksum.h"
#include "lib/parse.h"
#include "lib/xdp_frame.h"

#define ECN_MASK 3

static __always_inline __u64 sum_address(const union v6addr *address)
{
	return (__u64)address->words[0] + address->words[1] + address->words[2] + address->words[3];
}

/* Not complemented. The ports do not count. */
static __always_inline __u64 sum_pseudo_header(const struct packet *pkt, __u32 l4_length)
{
	return sum_address(&pkt->source) + sum_address(&pkt->destination) + bpf_htonl(l4_length) +
	       bpf_htonl(pkt->protocol);
}

/* Senders on this machine leave the sum to a device (CHECKSUM_PARTIAL): the field holds the pseudo header's, and that it is not done
 * yet only the skb says. One in 65536 finished ones looks so too, and takes the way through tc.
 */
static __always_inline bool is_unfinished(
	const struct packet *pkt, __u32 l4_length, __sum16 checksum)
{
	return checksum == (__sum16)~fold_checksum(sum_pseudo_header(pkt, l4_length));
}

static __always_inline bool parse_tcp_frame(struct frame *frame, __u32 l4_length)
{
	struct packet *pkt = &frame->packet;
	struct tcphdr *tcp = frame_at(frame->ctx, pkt->l4_offset, sizeof(*tcp));

	if (!tcp || tcp->doff < 5 || l4_length < sizeof(*tcp))
		return false;
	pkt->source_port = tcp->source;
	pkt->destination_port = tcp->dest;
	pkt->tcp_flags = ((__u8 *)tcp)[13];
	return !is_unfinished(pkt, l4_length, tcp->check);
}

static __always_inline bool parse_udp_frame(struct frame *frame, __u32 l4_length)
{
	struct packet *pkt = &frame->packet;
	struct udphdr *udp = frame_at(frame->ctx, pkt->l4_offset, sizeof(*udp));

	if (!udp || l4_length < sizeof(*udp))
		return false;
	pkt->source_port = udp->source;
	pkt->destination_port = udp->dest;
	frame->unsummed = !udp->check;
	return !is_unfinished(pkt, l4_length, udp->check);
}

static __always_inline bool parse_ports(struct frame *frame, __u32 ip_header_length)
{
	struct packet *pkt = &frame->packet;

	/* The last hop is the stack's to report. */
	if (pkt->hops <= 1 || frame->length < ip_header_length ||
		frame->offset + L3_OFFSET + frame->length > frame_length(frame->ctx))
		return false;
	pkt->flow_source = pkt->source;
	pkt->l4_offset = frame->offset + L3_OFFSET + ip_header_length;
	pkt->has_ports = true;
	if (pkt->protocol == IPPROTO_TCP)
		return parse_tcp_frame(frame, frame->length - ip_header_length);
	if (pkt->protocol == IPPROTO_UDP)
		return parse_udp_frame(frame, frame->length - ip_header_length);
	return false;
}

static __always_inline bool parse_frame4(struct frame *frame)
{
	struct iphdr *ip = frame_at(frame->ctx, frame->offset + L3_OFFSET, sizeof(*ip));
	struct packet *pkt = &frame->packet;

	if (!ip || ip->version != 4 || ip->ihl != sizeof(*ip) / 4 ||
		ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET))
		return false;
	pkt->source = mapped(ip->saddr);
	pkt->destination = mapped(ip->daddr);
	pkt->protocol = ip->protocol;
	pkt->hops = ip->ttl;
	frame->length = bpf_ntohs(ip->tot_len);
	frame->ecn = ip->tos & ECN_MASK;
	return parse_ports(frame, sizeof(*ip));
}

static __always_inline bool parse_frame6(struct frame *frame)
{
	struct ipv6hdr *ip = frame_at(frame->ctx, frame->offset + L3_OFFSET, sizeof(*ip));
	struct packet *pkt = &frame->packet;

	if (!ip || ip->version != 6)
		return false;
	pkt->source = *(union v6addr *)&ip->saddr;
	pkt->destination = *(union v6addr *)&ip->daddr;
	/* See parse_ipv6(). */
	if (is_mapped(&pkt->source) || is_mapped(&pkt->destination))
		return false;
	pkt->protocol = ip->nexthdr;
	pkt->hops = ip->hop_limit;
	frame->length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	frame->ecn = ip->flow_lbl[0] >> 4 & ECN_MASK;
	return parse_ports(frame, sizeof(*ip));
}

/* Whether the frame, from its offset on, is one of these. */
static __always_inline bool parse_frame(struct frame *frame)
{
	return frame->packet.family == IPV4 ? parse_frame4(frame) : parse_frame6(frame);
}

#endif
