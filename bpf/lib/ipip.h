/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Direct server return by IP in IP: the packet travels to the backend as its client sent it. The header that is put on carries no
 * port, so this is for backends that listen on the frontend's own; others are told by an option (lib/dsr.h).
 *
 *   client -> frontend   [node A]   A -> backend ( client -> frontend )   [node B]   frontend -> client
 *
 * Believed from the cluster's nodes alone.
 */
#ifndef TSI_LIB_IPIP_H
#define TSI_LIB_IPIP_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stddef.h>
#include "lib/balance.h"
#include "lib/checksum.h"
#include "lib/packet.h"
#include "maps/node.h"

static __always_inline __u32 ipip_length(enum family family)
{
	return family == IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* Puts on a header from this node to this_balance()'s backend. 0, or the drop reason. Global functions, verified once by
 * themselves.
 */
__noinline int put_in_ip4(struct __sk_buff *skb)
{
	struct balance *balance = this_balance();
	struct iphdr outer = {.version = 4,
		.ihl = 5,
		.ttl = OUR_TTL,
		.protocol = IPPROTO_IPIP,
		.saddr = node_ipv4};

	if (!balance || !outer.saddr)
		return DROP_NO_NAT_MAPPING;
	outer.daddr = balance->backend.words[3];
	outer.tot_len = bpf_htons(skb->len - L3_OFFSET + sizeof(outer));
	checksum4(&outer);
	if (bpf_skb_adjust_room(skb, sizeof(outer), BPF_ADJ_ROOM_MAC,
		    BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_NO_CSUM_RESET) ||
		bpf_skb_store_bytes(skb, L3_OFFSET, &outer, sizeof(outer), BPF_F_INVALIDATE_HASH))
		return DROP_WRITE_ERROR;
	return 0;
}

__noinline int put_in_ip6(struct __sk_buff *skb)
{
	struct balance *balance = this_balance();
	struct ipv6hdr outer = {.version = 6, .hop_limit = OUR_TTL, .nexthdr = IPPROTO_IPV6};
	union v6addr node = constant_address(&node_ipv6);

	if (!balance || no_address(&node))
		return DROP_NO_NAT_MAPPING;
	__builtin_memcpy(&outer.saddr, &node, sizeof(node));
	__builtin_memcpy(&outer.daddr, &balance->backend, sizeof(balance->backend));
	outer.payload_len = bpf_htons(skb->len - L3_OFFSET);
	if (bpf_skb_adjust_room(skb, sizeof(outer), BPF_ADJ_ROOM_MAC,
		    BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 | BPF_F_ADJ_ROOM_NO_CSUM_RESET) ||
		bpf_skb_store_bytes(skb, L3_OFFSET, &outer, sizeof(outer), BPF_F_INVALIDATE_HASH))
		return DROP_WRITE_ERROR;
	return 0;
}

static __always_inline int put_in_ip(const struct packet *pkt)
{
	return pkt->family == IPV4 ? put_in_ip4(pkt->skb) : put_in_ip6(pkt->skb);
}

/* A node of the cluster's sends to a pod of this node. */
static __always_inline bool is_from_node_to_pod(
	const struct address_key *from, const struct address_key *to)
{
	struct node *node = bpf_map_lookup_elem(&tsi_nodes, from);
	struct endpoint *pod = bpf_map_lookup_elem(&tsi_ep_addr, to);

	return node && !(node->flags & NODE_LOCAL) && pod && !(pod->flags & ENDPOINT_HOST);
}

/* Takes the header off. Whether there was one, from a node to a pod here: this_balance()'s backend then. */
__noinline int take_out_of_ip4(struct __sk_buff *skb)
{
	struct balance *balance = this_balance();
	struct address_key from = {}, to = {};
	struct iphdr outer;

	if (!balance || bpf_skb_load_bytes(skb, L3_OFFSET, &outer, sizeof(outer)))
		return false;
	if (outer.version != 4 || outer.ihl != 5 || outer.protocol != IPPROTO_IPIP ||
		outer.frag_off & bpf_htons(0x3fff))
		return false;
	from.address = mapped(outer.saddr);
	to.address = mapped(outer.daddr);
	if (!is_from_node_to_pod(&from, &to))
		return false;
	balance->backend = to.address;
	return !bpf_skb_adjust_room(skb, -(__s32)sizeof(outer), BPF_ADJ_ROOM_MAC, 0);
}

__noinline int take_out_of_ip6(struct __sk_buff *skb)
{
	struct balance *balance = this_balance();
	struct address_key from = {}, to = {};
	struct ipv6hdr outer;

	if (!balance || bpf_skb_load_bytes(skb, L3_OFFSET, &outer, sizeof(outer)))
		return false;
	if (outer.version != 6 || outer.nexthdr != IPPROTO_IPV6)
		return false;
	__builtin_memcpy(&from.address, &outer.saddr, sizeof(from.address));
	__builtin_memcpy(&to.address, &outer.daddr, sizeof(to.address));
	if (!is_from_node_to_pod(&from, &to))
		return false;
	balance->backend = to.address;
	return !bpf_skb_adjust_room(skb, -(__s32)sizeof(outer), BPF_ADJ_ROOM_MAC, 0);
}

#endif
