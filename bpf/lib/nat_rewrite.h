/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Putting another address and port into a packet, and every checksum right. Only through the
 * helpers: they know whether a checksum is whole, still to be finished by a device
 * (CHECKSUM_PARTIAL) or summed by one (CHECKSUM_COMPLETE).
 */
#ifndef TSI_LIB_NAT_REWRITE_H
#define TSI_LIB_NAT_REWRITE_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>
#include "lib/checksum.h"
#include "lib/icmp.h"
#include "lib/packet.h"
#include "lib/parse_l4.h"
#include "maps/translation.h"

/* Which end of the packet is rewritten. */
enum packet_end { PACKET_SOURCE, PACKET_DESTINATION };

/* Of the port, or of the id that stands for it. */
static __always_inline __u32 port_offset(
	const struct rewrite *rewrite, __u32 l4_offset, enum packet_end end)
{
	if (is_icmp(rewrite->family, rewrite->protocol))
		return l4_offset + offsetof(struct icmp_head, id);
	return l4_offset + (end == PACKET_SOURCE ? 0 : 2);
}

/* Of the L4 checksum, 0 if it covers neither port nor address (SCTP). */
static __always_inline __u32 checksum_offset(const struct rewrite *rewrite, __u32 l4_offset)
{
	if (rewrite->protocol == IPPROTO_TCP)
		return l4_offset + offsetof(struct tcphdr, check);
	if (rewrite->protocol == IPPROTO_UDP)
		return l4_offset + offsetof(struct udphdr, check);
	if (is_icmp(rewrite->family, rewrite->protocol))
		return l4_offset + offsetof(struct icmp_head, checksum);
	return 0;
}

/* Whether that checksum covers the addresses; ICMP's of IPv4 does not. */
static __always_inline bool has_pseudo_header(__u8 protocol)
{
	return protocol != IPPROTO_ICMP;
}

/* What the sum over an address changes by. */
static __always_inline __s64 address_difference(const union v6addr *from, const union v6addr *to)
{
	/* Of two mapped addresses all but the last four bytes are the same. */
	return bpf_csum_diff((__be32 *)from, sizeof(*from), (__be32 *)to, sizeof(*to), 0);
}

static __always_inline __u32 address_offset(
	enum family family, __u32 l3_offset, enum packet_end end)
{
	if (family == IPV4)
		return l3_offset + (end == PACKET_SOURCE ? offsetof(struct iphdr, saddr)
							 : offsetof(struct iphdr, daddr));
	return l3_offset + (end == PACKET_SOURCE ? offsetof(struct ipv6hdr, saddr)
						 : offsetof(struct ipv6hdr, daddr));
}

/* The address in an IP header, and IPv4's header checksum.
 * BPF_F_RECOMPUTE_CSUM for an IPv6 packet's own address: replacing the L4 checksum with
 * BPF_F_PSEUDO_HDR takes the difference out of CHECKSUM_COMPLETE, where IPv6 has no header checksum
 * that already did (kernel 6.16 has BPF_F_IPV6 for this, older ones refuse it). In a quoted packet
 * both are payload.
 */
static __always_inline long replace_address(struct __sk_buff *skb, const struct rewrite *rewrite,
	__u32 l3_offset, enum packet_end end, const union v6addr *from)
{
	__u32 offset = address_offset(rewrite->family, l3_offset, end);
	const union v6addr *to = &rewrite->to;

	if (rewrite->family == IPV6)
		return bpf_skb_store_bytes(skb, offset, to, sizeof(*to),
			l3_offset == L3_OFFSET ? BPF_F_RECOMPUTE_CSUM : 0);
	return bpf_l3_csum_replace(skb, l3_offset + offsetof(struct iphdr, check), from->words[3],
		       to->words[3], sizeof(to->words[3])) ||
	       bpf_skb_store_bytes(skb, offset, &to->words[3], sizeof(to->words[3]), 0);
}

/* The same for a packet's own IPv4 header, at a third of the price: there address and checksum make up for each other in all sums. */
static __always_inline long replace_own_address4(
	struct __sk_buff *skb, const struct rewrite *rewrite)
{
	struct iphdr *ip = header_at(skb, L3_OFFSET, sizeof(*ip));
	__be32 from = rewrite->from.words[3], to = rewrite->to.words[3];

	if (!ip)
		return -1;
	/* RFC 1624: ~(~HC + ~m + m'). */
	ip->check = fold_checksum((__u64)(__u32)~from + to + (__u16)~ip->check);
	if (rewrite->end == PACKET_SOURCE)
		ip->saddr = to;
	else
		ip->daddr = to;
	return 0;
}

static __always_inline long replace_own_address(
	struct __sk_buff *skb, const struct rewrite *rewrite)
{
	return rewrite->family == IPV4
		       ? replace_own_address4(skb, rewrite)
		       : replace_address(skb, rewrite, L3_OFFSET, rewrite->end, &rewrite->from);
}

/* A UDP checksum of 0 means none (IPv4) and stays so. */
static __always_inline long replace_l4_checksum(
	struct __sk_buff *skb, const struct rewrite *rewrite)
{
	__u32 offset = checksum_offset(rewrite, rewrite->l4_offset);
	__u64 flags = rewrite->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;

	if (!offset)
		return 0;
	if (has_pseudo_header(rewrite->protocol) &&
		bpf_l4_csum_replace(skb, offset, 0,
			address_difference(&rewrite->from, &rewrite->to), flags | BPF_F_PSEUDO_HDR))
		return -1;
	if (rewrite->from_port == rewrite->to_port)
		return 0;
	return bpf_l4_csum_replace(skb, offset, rewrite->from_port, rewrite->to_port,
		flags | sizeof(rewrite->to_port));
}

static __always_inline long replace_port(
	struct __sk_buff *skb, const struct rewrite *rewrite, __u32 l4_offset, enum packet_end end)
{
	if (rewrite->from_port == rewrite->to_port)
		return 0;
	return bpf_skb_store_bytes(skb, port_offset(rewrite, l4_offset, end), &rewrite->to_port,
		sizeof(rewrite->to_port), 0);
}

/* 0, or the drop reason. Global, verified once by itself, and with a stack frame of its own. */
__noinline int rewrite_packet(struct __sk_buff *skb, const struct rewrite *rewrite)
{
	if (!rewrite)
		return DROP_WRITE_ERROR;
	/* A later fragment has neither port nor checksum: the first one's speak for all. */
	if (rewrite->fragment != FRAGMENT_LATER &&
		(replace_l4_checksum(skb, rewrite) ||
			replace_port(skb, rewrite, rewrite->l4_offset, rewrite->end)))
		return DROP_WRITE_ERROR;
	return replace_own_address(skb, rewrite) ? DROP_WRITE_ERROR : 0;
}

#endif
