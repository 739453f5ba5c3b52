/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pods' packets leave the cluster with the node's address, and their replies find back. */
#ifndef TSI_LIB_MASQUERADE_H
#define TSI_LIB_MASQUERADE_H

#include "lib/conntrack.h"
#include "lib/identity.h"
#include "lib/nat.h"
#include "lib/nat_error.h"
#include "lib/nat_rewrite.h"
#include "maps/ip_masq.h"

static __always_inline union v6addr node_address(enum family family)
{
	return family == IPV4 ? mapped(node_ipv4) : constant_address(&node_ipv6);
}

static __always_inline union v6addr router_address(enum family family)
{
	return family == IPV4 ? mapped(router_ipv4) : constant_address(&router_ipv6);
}

/* Without an address of its own in this family the node has nothing to lend. */
static __always_inline bool is_masquerading(enum family family)
{
	union v6addr node = node_address(family);

	if (family == IPV4)
		return enable_ipv4_masquerade && node.words[3];
	return enable_ipv6_masquerade && !no_address(&node);
}

/* ipv4-native-routing-cidr and its twin: whoever is in there can answer a pod's own address. */
static __always_inline bool routes_pod_addresses(const struct packet *pkt)
{
	const union v6addr *to = &pkt->destination;

	if (pkt->family == IPV4)
		return (to->words[3] & ipv4_native_routing_mask) == ipv4_native_routing_cidr;
	return (to->halves[0] & ipv6_native_routing_mask.halves[0]) ==
		       ipv6_native_routing_cidr.halves[0] &&
	       (to->halves[1] & ipv6_native_routing_mask.halves[1]) ==
		       ipv6_native_routing_cidr.halves[1];
}

/* Destinations that ip-masq-agent's configuration lets pods reach with their own addresses. */
static __always_inline bool is_exempt(const struct packet *pkt)
{
	struct ipcache_key key = {.prefixlen = 128, .address = pkt->destination};

	return enable_ip_masq_agent && bpf_map_lookup_elem(&tsi_ip_masq, &key);
}

/* Only what has a port, or an id in its place, can share an address. */
static __always_inline bool has_port(const struct packet *pkt)
{
	if (is_icmp(pkt->family, pkt->protocol))
		return pkt->icmp_error || is_echo_request(pkt->family, pkt->icmp_type) ||
		       pkt->fragment == FRAGMENT_LATER;
	return pkt->protocol == IPPROTO_TCP || pkt->protocol == IPPROTO_UDP ||
	       pkt->protocol == PROTOCOL_SCTP;
}

/* The flow as this packet travels it; of an error, as its flow's packets in that direction do. */
static __always_inline void flow_tuple(
	const struct packet *pkt, enum nat_direction direction, struct nat_tuple *tuple)
{
	*tuple = (struct nat_tuple){
		.key = {.source = pkt->flow_source,
			.destination = pkt->destination,
			.source_port = pkt->source_port,
			.destination_port = pkt->destination_port,
			.protocol = pkt->protocol,
			.direction = direction},
		.family = pkt->family,
		.tcp_flags = pkt->tcp_flags,
	};
}

/* Puts another address and port in the place of one end of the flow. 0, or the drop reason. */
static __always_inline int rewrite_end(
	struct packet *pkt, const enum packet_end end, const union v6addr *to, __be16 to_port)
{
	union v6addr *address = end == PACKET_SOURCE ? &pkt->source : &pkt->destination;
	__be16 *port = end == PACKET_SOURCE ? &pkt->source_port : &pkt->destination_port;
	struct translation *translation = this_translation();
	int reason = 0;

	if (!translation)
		return DROP_NO_CONFIG;
	translation->rewrite = (struct rewrite){
		.from = end == PACKET_SOURCE ? pkt->flow_source : pkt->destination,
		.to = *to,
		.from_port = *port,
		.to_port = to_port,
		.l4_offset = pkt->l4_offset,
		.quoted_l3_offset = pkt->quoted_l3_offset,
		.quoted_l4_offset = pkt->quoted_l4_offset,
		.protocol = pkt->protocol,
		.family = pkt->family,
		.end = end,
		.fragment = pkt->fragment,
	};
	if (pkt->icmp_error)
		reason = rewrite_error(pkt->skb, &translation->rewrite);
	else if (!same_address(address, to) || *port != to_port)
		reason = rewrite_packet(pkt->skb, &translation->rewrite);
	/* The packet may have come from elsewhere than the flow's end. */
	if (end == PACKET_SOURCE)
		pkt->flow_source = *to;
	*address = *to;
	*port = to_port;
	return reason;
}

/* Gives the packet this address and a port of its own. flags: enum nat_flags for a new mapping; `known`: only what has a
 * mapping already. 0, or the drop reason.
 */
static __always_inline int masquerade_as(
	struct packet *pkt, const union v6addr *address, __u16 flags, bool known)
{
	struct translation *translation = this_translation();
	struct nat_entry6 *target;
	int reason;

	if (!translation)
		return DROP_NO_CONFIG;
	target = &translation->target;
	*target = (struct nat_entry6){.address = *address, .flags = flags};
	flow_tuple(pkt, NAT_FORWARD, &translation->tuple);
	if (!nat_find(NAT_WAY, !pkt->icmp_error)) {
		/* About a flow that was not masqueraded: so is the error. And a connection that came in to
		 * the pod's own address must be answered from it.
		 */
		if (pkt->icmp_error || known || (!(flags & NAT_HOST) && is_known_reply(pkt)))
			return 0;
		if (!has_port(pkt))
			return DROP_NAT_UNSUPPORTED;
		reason = nat_allocate();
		if (reason)
			return reason;
	}
	return rewrite_end(pkt, PACKET_SOURCE, &target->address, target->port);
}

static __always_inline int masquerade(struct packet *pkt, __u16 flags, bool known)
{
	union v6addr node = node_address(pkt->family);

	return masquerade_as(pkt, &node, flags, known);
}

/* Gives a packet for the node back to the pod that it answers. Returns whether it does; *reason is
 * 0 or why it must be dropped.
 */
static __always_inline bool unmasquerade(struct packet *pkt, int *reason)
{
	struct translation *translation = this_translation();
	struct nat_entry6 *target;

	if (!translation)
		return false;
	target = &translation->target;
	flow_tuple(pkt, NAT_REVERSE, &translation->tuple);
	if (!nat_find(NAT_WAY, !pkt->icmp_error))
		return false;
	pkt->reply_frontend = target->frontend;
	*reason = rewrite_end(pkt, PACKET_DESTINATION, &target->address, target->port);
	return true;
}

#endif
