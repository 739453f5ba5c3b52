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

/* What changes within the quoted packet. */
struct quoted_change {
	const union v6addr *from;
	const union v6addr *to;
	__be16 from_port;
	__be16 to_port;
};

/* Where the quoted L4 checksum is, 0 if it is not quoted (RFC 792 asks for eight bytes of L4 only)
 * or the packet had none.
 */
static __always_inline __u32 quoted_checksum_offset(const struct packet *pkt)
{
	__u32 offset = checksum_offset(pkt->family, pkt->protocol, pkt->quoted_l4_offset);
	__sum16 checksum;

	if (!offset || bpf_skb_load_bytes(pkt->skb, offset, &checksum, sizeof(checksum)))
		return 0;
	return pkt->protocol == IPPROTO_UDP && !checksum ? 0 : offset;
}

static __always_inline long replace_quoted_checksum(
	const struct packet *pkt, __u32 offset, const struct quoted_change *change)
{
	if (has_pseudo_header(pkt->protocol) &&
		bpf_l4_csum_replace(pkt->skb, offset, 0,
			address_difference(pkt->family, change->from, change->to), 0))
		return -1;
	return bpf_l4_csum_replace(
		pkt->skb, offset, change->from_port, change->to_port, sizeof(change->to_port));
}

/* The ICMP checksum covers all that is quoted. There, an IPv4 address and its header's checksum
 * cancel out, and so do a port, an address in the pseudo header and the L4 checksum, where that is
 * quoted.
 */
static __always_inline long replace_error_checksum(const struct packet *pkt, __u32 offset,
	const struct quoted_change *change, bool checksum_quoted)
{
	const bool ipv6 = pkt->family == IPV6;

	if (!checksum_quoted) {
		if (ipv6 && bpf_l4_csum_replace(pkt->skb, offset, 0,
				    address_difference(IPV6, change->from, change->to), 0))
			return -1;
		return bpf_l4_csum_replace(pkt->skb, offset, change->from_port, change->to_port,
			sizeof(change->to_port));
	}
	if (ipv6 || !has_pseudo_header(pkt->protocol))
		return 0;
	return bpf_l4_csum_replace(
		pkt->skb, offset, 0, address_difference(IPV4, change->to, change->from), 0);
}

static __always_inline long replace_error_checksums(
	const struct packet *pkt, const union v6addr *outer, const struct quoted_change *change)
{
	__u32 offset = pkt->l4_offset + offsetof(struct icmp_head, checksum);
	__u32 quoted_offset = quoted_checksum_offset(pkt);

	if (pkt->family == IPV6 &&
		bpf_l4_csum_replace(pkt->skb, offset, 0,
			address_difference(IPV6, outer, change->to), BPF_F_PSEUDO_HDR))
		return -1;
	if (quoted_offset && replace_quoted_checksum(pkt, quoted_offset, change))
		return -1;
	return replace_error_checksum(pkt, offset, change, quoted_offset);
}

/* Rewrites one outer end, and the opposite end of what is quoted, to to:to_port. 0, or the drop
 * reason. pkt's ports are the flow's: its quoted packet's, swapped.
 */
static __always_inline int rewrite_error(struct packet *pkt, const enum packet_end end,
	const union v6addr *quoted, const union v6addr *to, __be16 to_port)
{
	const enum packet_end quoted_end =
		end == PACKET_SOURCE ? PACKET_DESTINATION : PACKET_SOURCE;
	union v6addr *address = end == PACKET_SOURCE ? &pkt->source : &pkt->destination;
	__be16 *port = end == PACKET_SOURCE ? &pkt->source_port : &pkt->destination_port;
	__u32 offset = port_offset(pkt->family, pkt->protocol, pkt->quoted_l4_offset, quoted_end);
	struct quoted_change change = {quoted, to, *port, to_port};
	union v6addr outer = *address;

	if (replace_error_checksums(pkt, &outer, &change) ||
		bpf_skb_store_bytes(pkt->skb, offset, &to_port, sizeof(to_port), 0) ||
		replace_address(pkt, pkt->quoted_l3_offset, quoted_end, quoted, to) ||
		replace_address(pkt, L3_OFFSET, end, &outer, to))
		return DROP_WRITE_ERROR;
	*address = *to;
	*port = to_port;
	return 0;
}

#endif
