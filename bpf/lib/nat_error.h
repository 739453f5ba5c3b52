/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP errors across NAT: the packet they quote is the rewritten one, seen from its other side.
 *
 *   error from the wire   outer: router -> node            quoted: node:nat_port -> remote
 *   error to the pod      outer: router -> pod             quoted: pod:port      -> remote
 *
 *   error from the pod    outer: pod  -> remote            quoted: remote -> pod:port
 *   error on the wire     outer: node -> remote            quoted: remote -> node:nat_port
 */
#ifndef TSI_LIB_NAT_ERROR_H
#define TSI_LIB_NAT_ERROR_H

#include "lib/nat_rewrite.h"

/* Where the quoted L4 checksum is, 0 if it is not quoted (RFC 792 asks for eight bytes of L4 only)
 * or the packet had none.
 */
static __always_inline __u32 quoted_checksum_offset(
	struct __sk_buff *skb, const struct rewrite *rewrite)
{
	__u32 offset = checksum_offset(rewrite, rewrite->quoted_l4_offset);
	__sum16 checksum;

	if (!offset || bpf_skb_load_bytes(skb, offset, &checksum, sizeof(checksum)))
		return 0;
	return rewrite->protocol == IPPROTO_UDP && !checksum ? 0 : offset;
}

static __always_inline long replace_quoted_checksum(
	struct __sk_buff *skb, const struct rewrite *rewrite, __u32 offset)
{
	if (has_pseudo_header(rewrite->protocol) &&
		bpf_l4_csum_replace(
			skb, offset, 0, address_difference(&rewrite->from, &rewrite->to), 0))
		return -1;
	return bpf_l4_csum_replace(
		skb, offset, rewrite->from_port, rewrite->to_port, sizeof(rewrite->to_port));
}

/* The ICMP checksum covers all that is quoted. There, an IPv4 address and its header's checksum
 * cancel out, and so do a port, an address in the pseudo header and the L4 checksum, where that is
 * quoted.
 */
static __always_inline long replace_error_checksum(
	struct __sk_buff *skb, const struct rewrite *rewrite, __u32 offset, bool checksum_quoted)
{
	const bool ipv6 = rewrite->family == IPV6;

	if (!checksum_quoted) {
		if (ipv6 && bpf_l4_csum_replace(skb, offset, 0,
				    address_difference(&rewrite->from, &rewrite->to), 0))
			return -1;
		return bpf_l4_csum_replace(skb, offset, rewrite->from_port, rewrite->to_port,
			sizeof(rewrite->to_port));
	}
	if (ipv6 || !has_pseudo_header(rewrite->protocol))
		return 0;
	return bpf_l4_csum_replace(
		skb, offset, 0, address_difference(&rewrite->to, &rewrite->from), 0);
}

static __always_inline long replace_error_checksums(
	struct __sk_buff *skb, const struct rewrite *rewrite, const union v6addr *outer)
{
	__u32 offset = rewrite->l4_offset + offsetof(struct icmp_head, checksum);
	__u32 quoted_offset = quoted_checksum_offset(skb, rewrite);

	if (rewrite->family == IPV6 &&
		bpf_l4_csum_replace(
			skb, offset, 0, address_difference(outer, &rewrite->to), BPF_F_PSEUDO_HDR))
		return -1;
	if (quoted_offset && replace_quoted_checksum(skb, rewrite, quoted_offset))
		return -1;
	return replace_error_checksum(skb, rewrite, offset, quoted_offset);
}

/* The outer address that gives way: a router on the path need not be the flow's own end. */
static __always_inline long read_outer(
	struct __sk_buff *skb, const struct rewrite *rewrite, union v6addr *outer)
{
	__u32 offset = address_offset(rewrite->family, L3_OFFSET, rewrite->end);

	if (rewrite->family == IPV6)
		return bpf_skb_load_bytes(skb, offset, outer, sizeof(*outer));
	*outer = mapped(0);
	return bpf_skb_load_bytes(skb, offset, &outer->words[3], sizeof(outer->words[3]));
}

/* Rewrites one outer end, and the opposite end of what is quoted. from, from_port: as quoted. 0, or
 * the drop reason. Global, as rewrite_packet() is.
 */
__noinline int rewrite_error(struct __sk_buff *skb, const struct rewrite *rewrite)
{
	enum packet_end quoted_end;
	union v6addr outer;

	if (!rewrite || read_outer(skb, rewrite, &outer))
		return DROP_WRITE_ERROR;
	quoted_end = rewrite->end == PACKET_SOURCE ? PACKET_DESTINATION : PACKET_SOURCE;
	if (replace_error_checksums(skb, rewrite, &outer) ||
		replace_port(skb, rewrite, rewrite->quoted_l4_offset, quoted_end) ||
		replace_address(
			skb, rewrite, rewrite->quoted_l3_offset, quoted_end, &rewrite->from) ||
		replace_address(skb, rewrite, L3_OFFSET, rewrite->end, &outer))
		return DROP_WRITE_ERROR;
	return 0;
}

#endif
