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
#include "lib/icmp.h"
#include "lib/packet.h"
#include "lib/parse_l4.h"

/* Which end of the packet is rewritten. */
enum packet_end { PACKET_SOURCE, PACKET_DESTINATION };

static __always_inline __u32 address_offset4(__u32 l3_offset, enum packet_end end)
{
	return l3_offset + (end == PACKET_SOURCE ? offsetof(struct iphdr, saddr)
						 : offsetof(struct iphdr, daddr));
}

static __always_inline __u32 address_offset6(__u32 l3_offset, enum packet_end end)
{
	return l3_offset + (end == PACKET_SOURCE ? offsetof(struct ipv6hdr, saddr)
						 : offsetof(struct ipv6hdr, daddr));
}

/* Of the port, or of the id that stands for it. */
static __always_inline __u32 port_offset(
	enum family family, __u8 protocol, __u32 l4_offset, enum packet_end end)
{
	if (is_icmp(family, protocol))
		return l4_offset + offsetof(struct icmp_head, id);
	return l4_offset + (end == PACKET_SOURCE ? 0 : 2);
}

/* Of the L4 checksum, 0 if it covers neither port nor address (SCTP). */
static __always_inline __u32 checksum_offset(enum family family, __u8 protocol, __u32 l4_offset)
{
	if (protocol == IPPROTO_TCP)
		return l4_offset + offsetof(struct tcphdr, check);
	if (protocol == IPPROTO_UDP)
		return l4_offset + offsetof(struct udphdr, check);
	if (is_icmp(family, protocol))
		return l4_offset + offsetof(struct icmp_head, checksum);
	return 0;
}

/* Whether that checksum covers the addresses; ICMP's of IPv4 does not. */
static __always_inline bool has_pseudo_header(__u8 protocol)
{
	return protocol != IPPROTO_ICMP;
}

/* The IPv4 header's own address and checksum. */
static __always_inline long replace_address4(
	struct __sk_buff *skb, __u32 l3_offset, enum packet_end end, __be32 from, __be32 to)
{
	return bpf_l3_csum_replace(
		       skb, l3_offset + offsetof(struct iphdr, check), from, to, sizeof(to)) ||
	       bpf_skb_store_bytes(skb, address_offset4(l3_offset, end), &to, sizeof(to), 0);
}

/* BPF_F_RECOMPUTE_CSUM for the packet's own address: replacing the L4 checksum with
 * BPF_F_PSEUDO_HDR takes the difference out of CHECKSUM_COMPLETE, where IPv6 has no header checksum
 * that already did (kernel 6.16 has BPF_F_IPV6 for this, older ones refuse it). In a quoted packet
 * both are payload.
 */
static __always_inline long replace_address6(
	struct __sk_buff *skb, __u32 l3_offset, enum packet_end end, const union v6addr *to)
{
	return bpf_skb_store_bytes(skb, address_offset6(l3_offset, end), to, sizeof(*to),
		l3_offset == L3_OFFSET ? BPF_F_RECOMPUTE_CSUM : 0);
}

/* What the sum over an address changes by. */
static __always_inline __s64 address_difference(
	enum family family, const union v6addr *from, const union v6addr *to)
{
	if (family == IPV4)
		return bpf_csum_diff((__be32 *)&from->words[3], 4, (__be32 *)&to->words[3], 4, 0);
	return bpf_csum_diff((__be32 *)from, sizeof(*from), (__be32 *)to, sizeof(*to), 0);
}

static __always_inline long replace_address(const struct packet *pkt, __u32 l3_offset,
	enum packet_end end, const union v6addr *from, const union v6addr *to)
{
	if (pkt->family == IPV4)
		return replace_address4(pkt->skb, l3_offset, end, from->words[3], to->words[3]);
	return replace_address6(pkt->skb, l3_offset, end, to);
}

/* The L4 checksum, for an address in the pseudo header and a port in the packet. A UDP checksum of
 * 0 means none (IPv4) and stays so.
 */
static __always_inline long replace_l4_checksum(const struct packet *pkt, const union v6addr *from,
	const union v6addr *to, __be16 from_port, __be16 to_port)
{
	__u32 offset = checksum_offset(pkt->family, pkt->protocol, pkt->l4_offset);
	__u64 flags = pkt->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;

	if (!offset)
		return 0;
	if (has_pseudo_header(pkt->protocol) &&
		bpf_l4_csum_replace(pkt->skb, offset, 0, address_difference(pkt->family, from, to),
			flags | BPF_F_PSEUDO_HDR))
		return -1;
	if (from_port == to_port)
		return 0;
	return bpf_l4_csum_replace(pkt->skb, offset, from_port, to_port, flags | sizeof(to_port));
}

/* 0, or the drop reason. Leaves pkt as it was parsed except for the end it rewrote. */
static __always_inline int rewrite_end(
	struct packet *pkt, const enum packet_end end, const union v6addr *to, __be16 to_port)
{
	union v6addr *address = end == PACKET_SOURCE ? &pkt->source : &pkt->destination;
	__be16 *port = end == PACKET_SOURCE ? &pkt->source_port : &pkt->destination_port;
	union v6addr from = *address;

	if (*port == to_port && same_address(&from, to))
		return 0;
	if (pkt->fragment != FRAGMENT_LATER) {
		if (replace_l4_checksum(pkt, &from, to, *port, to_port))
			return DROP_WRITE_ERROR;
		if (*port != to_port &&
			bpf_skb_store_bytes(pkt->skb,
				port_offset(pkt->family, pkt->protocol, pkt->l4_offset, end),
				&to_port, sizeof(to_port), 0))
			return DROP_WRITE_ERROR;
	}
	if (replace_address(pkt, L3_OFFSET, end, &from, to))
		return DROP_WRITE_ERROR;
	*address = *to;
	*port = to_port;
	return 0;
}

#endif
