/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pods' packets leave the cluster with the node's address, and their replies find back. */
#ifndef TSI_LIB_MASQUERADE_H
#define TSI_LIB_MASQUERADE_H

#include "lib/conntrack.h"
#include "lib/identity.h"
#include "lib/nat.h"
#include "lib/nat_error.h"
#include "lib/nat_rewrite.h"

static __always_inline bool is_masquerading(enum family family)
{
	return family == IPV4
		       ? enable_ipv4_masquerade && node_ipv4
		       : enable_ipv6_masquerade && (node_ipv6.halves[0] || node_ipv6.halves[1]);
}

static __always_inline union v6addr node_address(enum family family)
{
	union v6addr address;

	if (family == IPV4)
		return mapped(node_ipv4);
	address.halves[0] = node_ipv6.halves[0];
	address.halves[1] = node_ipv6.halves[1];
	return address;
}

static __always_inline union v6addr router_address(enum family family)
{
	union v6addr address;

	if (family == IPV4)
		return mapped(router_ipv4);
	address.halves[0] = router_ipv6.halves[0];
	address.halves[1] = router_ipv6.halves[1];
	return address;
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

/* A connection that came in to the pod's own address must be answered from it. */
static __always_inline bool answers_unmasqueraded(struct packet *pkt)
{
	union conntrack_key key;
	bool source_high = conntrack_key(pkt, &key);
	struct conntrack_entry *entry = conntrack_find(pkt, &key);

	return belongs(pkt, entry, source_high, bpf_ktime_get_coarse_ns()) && pkt->is_reply;
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

/* The mapping's FORWARD tuple. An error travels with its flow's opposite packets: pkt's source port
 * is then already the port of the side it comes from (lib/parse_quoted.h), its address flow_origin.
 */
static __always_inline struct nat_tuple forward_tuple(
	const struct packet *pkt, const union v6addr *flow_origin)
{
	return (struct nat_tuple){
		.source = *flow_origin,
		.destination = pkt->destination,
		.source_port = pkt->source_port,
		.destination_port = pkt->destination_port,
		.protocol = pkt->protocol,
		.family = pkt->family,
		.direction = NAT_FORWARD,
		.tcp_flags = pkt->tcp_flags,
	};
}

/* Gives the packet the node's address and a port of its own. flags: enum nat_flags for a new
 * mapping. 0, or the drop reason.
 */
static __always_inline int masquerade(struct packet *pkt, __u16 flags)
{
	struct nat_tuple forward = forward_tuple(pkt, &pkt->flow_source);
	struct nat_target target = {.address = node_address(pkt->family), .flags = flags};
	int reason;

	if (!nat_find(&forward, &target, !pkt->icmp_error)) {
		/* About a flow that was not masqueraded: so is the error. */
		if (pkt->icmp_error || (!(flags & NAT_HOST) && answers_unmasqueraded(pkt)))
			return 0;
		if (!has_port(pkt))
			return DROP_NAT_UNSUPPORTED;
		reason = nat_allocate(&forward, &target);
		if (reason)
			return reason;
	}
	if (pkt->icmp_error)
		return rewrite_error(
			pkt, PACKET_SOURCE, &forward.source, &target.address, target.port);
	return rewrite_end(pkt, PACKET_SOURCE, &target.address, target.port);
}

/* Gives a packet for the node back to the pod that it answers. Returns whether it does; *reason is
 * 0 or why it must be dropped.
 */
static __always_inline bool unmasquerade(struct packet *pkt, int *reason)
{
	struct nat_tuple reverse = {
		.source = pkt->flow_source,
		.destination = pkt->destination,
		.source_port = pkt->source_port,
		.destination_port = pkt->destination_port,
		.protocol = pkt->protocol,
		.family = pkt->family,
		.direction = NAT_REVERSE,
		.tcp_flags = pkt->tcp_flags,
	};
	struct nat_target target = {};

	if (!nat_find(&reverse, &target, !pkt->icmp_error))
		return false;
	if (pkt->icmp_error)
		*reason = rewrite_error(pkt, PACKET_DESTINATION, &reverse.destination,
			&target.address, target.port);
	else
		*reason = rewrite_end(pkt, PACKET_DESTINATION, &target.address, target.port);
	return true;
}

#endif
