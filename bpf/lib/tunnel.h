/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* VXLAN with the sender's identity in the VNI. */
#ifndef TSI_LIB_TUNNEL_H
#define TSI_LIB_TUNNEL_H

#include "lib/event.h"
#include "lib/identity.h"
#include "lib/packet.h"
#include "maps/ipcache.h"
#include "maps/node.h"

#define TUNNEL_TTL 64

static __always_inline bool is_tunnel_packet(const struct packet *pkt)
{
	return pkt->protocol == IPPROTO_UDP && pkt->destination_port == bpf_htons(tunnel_port);
}

static __always_inline bool is_tunnelled(const struct ipcache_entry *entry)
{
	return routing_mode == ROUTING_TUNNEL && entry && !no_address(&entry->tunnel_endpoint);
}

/* What other nodes may know: identities that mean something only here travel as world, and this
 * node is to the others a remote one.
 */
static __always_inline __u32 identity_to_vni(__u32 identity, enum family family)
{
	if (identity >> IDENTITY_SCOPE_SHIFT)
		return world_identity(family);
	return identity == IDENTITY_HOST ? IDENTITY_REMOTE_NODE : identity;
}

/* A global function, for a frame of its own: the record is large, and the stack is short. */
__noinline int set_tunnel_key(struct __sk_buff *skb, const union v6addr *remote, __u32 vni)
{
	struct bpf_tunnel_key key = {.tunnel_id = vni, .tunnel_ttl = TUNNEL_TTL};
	union v6addr local;

	if (!remote)
		return -1;
	if (is_mapped(remote)) {
		key.remote_ipv4 = bpf_ntohl(remote->words[3]);
		key.local_ipv4 = bpf_ntohl(node_ipv4);
		/* The inner packet has its own checksum; IPv6 receivers insist on one outside (RFC 6935). */
		return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX);
	}
	local = constant_address(&node_ipv6);
	__builtin_memcpy(key.remote_ipv6, remote, sizeof(*remote));
	__builtin_memcpy(key.local_ipv6, &local, sizeof(local));
	return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6);
}

static __always_inline int encapsulate(
	const struct packet *pkt, const union v6addr *remote, __u32 identity)
{
	if (unlikely(set_tunnel_key(pkt->skb, remote, identity_to_vni(identity, pkt->family))))
		return drop(pkt, DROP_WRITE_ERROR);
	forwarded(pkt, TRACE_TO_OVERLAY);
	return bpf_redirect(tsi_vxlan_ifindex, 0);
}

/* Bytes of the largest IP packet this one becomes on the wire. */
static __always_inline __u32 wire_length(const struct packet *pkt)
{
	if (pkt->skb->gso_size)
		return pkt->header_length + pkt->skb->gso_size;
	return pkt->skb->len - L3_OFFSET;
}

/* The outer source address of a decapsulated packet. Nonzero if it has none. */
static __always_inline int tunnel_source(const struct packet *pkt, union v6addr *source)
{
	struct bpf_tunnel_key key = {};

	/* The kernel answers only when asked for the family that the outer header has. */
	if (!bpf_skb_get_tunnel_key(pkt->skb, &key, sizeof(key), 0)) {
		*source = mapped(bpf_htonl(key.remote_ipv4));
		return 0;
	}
	if (bpf_skb_get_tunnel_key(pkt->skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6))
		return -1;
	__builtin_memcpy(source, key.remote_ipv6, sizeof(*source));
	return 0;
}

/* Reads who sent a decapsulated packet into source_identity. 0, or the drop reason. */
static __always_inline int tunnel_sender(struct packet *pkt)
{
	struct bpf_tunnel_key key = {};
	struct address_key outer = {};
	struct node *node;
	__u64 flags = 0;

	/* The kernel answers only when asked for the family that the outer header has. */
	if (bpf_skb_get_tunnel_key(pkt->skb, &key, sizeof(key), flags)) {
		if (bpf_skb_get_tunnel_key(pkt->skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6))
			return DROP_NO_TUNNEL_KEY;
		__builtin_memcpy(&outer.address, key.remote_ipv6, sizeof(outer.address));
	} else {
		outer.address = mapped(bpf_htonl(key.remote_ipv4));
	}
	node = bpf_map_lookup_elem(&tsi_nodes, &outer);
	if (!node || node->flags & NODE_LOCAL)
		return DROP_UNKNOWN_SENDER;
	/* A VNI has 24 bits: an identity of local scope cannot even be written. */
	if (!key.tunnel_id)
		return DROP_INVALID_VNI;
	pkt->source_identity =
		key.tunnel_id == IDENTITY_HOST ? IDENTITY_REMOTE_NODE : key.tunnel_id;
	return 0;
}

/* A node's stack travels as "remote node": which node, and whether it is one of the API server's, its address
 * says here.
 */
static __always_inline void tell_nodes_apart(struct packet *pkt)
{
	struct ipcache_entry *entry;

	if (likely(pkt->source_identity != IDENTITY_REMOTE_NODE))
		return;
	entry = ipcache_find(&pkt->source);
	if (entry && is_node_identity(entry->identity))
		pkt->source_identity = entry->identity;
}

#endif
