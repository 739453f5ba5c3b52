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

/* The ICMP checksum covers the quoted headers; IPv4's header checksum in there makes up for the
 * address. The quoted L4 checksum stays: it often is not even quoted, and receivers do not look.
 */
static __always_inline long replace_error_checksum(const struct packet *pkt,
	const union v6addr *outer, const union v6addr *quoted, const union v6addr *to,
	__be16 from_port, __be16 to_port)
{
	__u32 offset = pkt->l4_offset + offsetof(struct icmp_head, checksum);

	if (pkt->family == IPV6) {
		if (bpf_l4_csum_replace(pkt->skb, offset, 0, address_difference(IPV6, outer, to),
			    BPF_F_PSEUDO_HDR))
			return -1;
		if (bpf_l4_csum_replace(
			    pkt->skb, offset, 0, address_difference(IPV6, quoted, to), 0))
			return -1;
	}
	return bpf_l4_csum_replace(pkt->skb, offset, from_port, to_port, sizeof(to_port));
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
	union v6addr outer = *address;

	if (replace_error_checksum(pkt, &outer, quoted, to, *port, to_port) ||
		bpf_skb_store_bytes(pkt->skb, offset, &to_port, sizeof(to_port), 0) ||
		replace_address(pkt, pkt->quoted_l3_offset, quoted_end, quoted, to) ||
		replace_address(pkt, L3_OFFSET, end, &outer, to))
		return DROP_WRITE_ERROR;
	*address = *to;
	*port = to_port;
	return 0;
}

#endif
