/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fills struct packet from the frame. 0, or the drop reason: whether a malformed packet is ours to
 * drop, the program knows.
 */
#ifndef TSI_LIB_PARSE_H
#define TSI_LIB_PARSE_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include "lib/extension_headers.h"
#include "lib/fragment.h"
#include "lib/packet.h"
#include "lib/parse_l4.h"
#include "lib/parse_quoted.h"

#define IP_MORE_FRAGMENTS 0x2000
#define IP_DONT_FRAGMENT 0x4000
#define IP_FRAGMENT_OFFSET 0x1fff

/* fragment_offset is in units of 8 bytes. */
static __always_inline int parse_transport(
	struct packet *pkt, __be32 fragment_id, __u16 fragment_offset)
{
	int reason;

	pkt->flow_source = pkt->source;
	if (unlikely(pkt->fragment == FRAGMENT_LATER)) {
		recall_fragment(pkt, fragment_id);
		/* TCP at 8 bytes would overwrite the flags that were judged (RFC 3128). */
		return fragment_offset == 1 && pkt->protocol == IPPROTO_TCP ? DROP_INVALID_PACKET
									    : 0;
	}
	reason = parse_l4(pkt);
	if (reason)
		return reason;
	if (unlikely(pkt->fragment == FRAGMENT_FIRST))
		remember_fragment(pkt, fragment_id);
	if (unlikely(pkt->icmp_error))
		return parse_quoted(pkt);
	return 0;
}

static __always_inline enum fragment fragment_kind(__u16 offset, bool more)
{
	if (offset)
		return FRAGMENT_LATER;
	return more ? FRAGMENT_FIRST : FRAGMENT_NONE;
}

static __always_inline int parse_ipv4(struct packet *pkt)
{
	struct iphdr *ip = header_at(pkt->skb, L3_OFFSET, sizeof(*ip));
	__u16 fragment_field;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return DROP_INVALID_PACKET;
	fragment_field = bpf_ntohs(ip->frag_off);
	pkt->source = mapped(ip->saddr);
	pkt->destination = mapped(ip->daddr);
	pkt->protocol = ip->protocol;
	pkt->hops = ip->ttl;
	pkt->dont_fragment = fragment_field & IP_DONT_FRAGMENT;
	pkt->fragment = fragment_kind(
		fragment_field & IP_FRAGMENT_OFFSET, fragment_field & IP_MORE_FRAGMENTS);
	pkt->l4_offset = L3_OFFSET + ip->ihl * 4;
	return parse_transport(pkt, ip->id, fragment_field & IP_FRAGMENT_OFFSET);
}

static __always_inline int parse_ipv6(struct packet *pkt)
{
	struct ipv6hdr *ip = header_at(pkt->skb, L3_OFFSET, sizeof(*ip));
	struct extension_walk walk = {};

	if (!ip || ip->version != 6)
		return DROP_INVALID_PACKET;
	pkt->source = *(union v6addr *)&ip->saddr;
	pkt->destination = *(union v6addr *)&ip->daddr;
	/* Our tables hold IPv4 addresses in this form; on the wire it means nothing (RFC 4291 2.5.5.2). */
	if (unlikely(is_mapped(&pkt->source) | is_mapped(&pkt->destination)))
		return DROP_INVALID_PACKET;
	pkt->hops = ip->hop_limit;
	/* Only senders fragment IPv6 (RFC 8200 5). */
	pkt->dont_fragment = true;
	walk.next_header = ip->nexthdr;
	walk.offset = L3_OFFSET + sizeof(*ip);
	if (unlikely(is_extension_header(walk.next_header)) &&
		(walk_extension_headers(pkt->skb, &walk) || walk.offset > MAX_EXTENSION_LENGTH))
		return DROP_EXTENSION_HEADER;
	pkt->protocol = walk.next_header;
	pkt->l4_offset = walk.offset;
	pkt->fragment = fragment_kind(walk.fragment_offset, walk.more_fragments);
	return parse_transport(pkt, walk.fragment_id, walk.fragment_offset);
}

static __always_inline int parse(struct packet *pkt)
{
	return pkt->family == IPV4 ? parse_ipv4(pkt) : parse_ipv6(pkt);
}

#endif
