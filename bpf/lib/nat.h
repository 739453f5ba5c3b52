/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Choosing the source that a packet leaves the node with. */
#ifndef TSI_LIB_NAT_H
#define TSI_LIB_NAT_H

#include "lib/nat_table.h"

/* After that many taken ports the table is as good as full. */
#define NAT_TRIES 32

static __always_inline bool is_masquerade_port(__u16 port)
{
	return port >= nat_port_min && port <= nat_port_max;
}

static __always_inline __u16 random_port(void)
{
	__u32 range = nat_port_max - nat_port_min + 1;

	return nat_port_min + bpf_get_prandom_u32() % range;
}

/* ICMP echo: the id takes the place of the requester's port. A node's packet out is a request (the
 * responder's own id is never rewritten), so for ICMP the source port is the id as for the others.
 */
static __always_inline struct nat_tuple reverse_of(
	const struct nat_tuple *forward, const union v6addr *address, __be16 port)
{
	return (struct nat_tuple){
		.source = forward->destination,
		.destination = *address,
		.source_port = forward->destination_port,
		.destination_port = port,
		.protocol = forward->protocol,
		.family = forward->family,
		.direction = NAT_REVERSE,
		.tcp_flags = forward->tcp_flags,
	};
}

/* Whether node:port towards this remote is, or could be made, ours. */
static __always_inline bool claim_port(
	const struct nat_tuple *forward, const union v6addr *node, __u16 flags, __be16 port)
{
	struct nat_tuple reverse = reverse_of(forward, node, port);
	struct nat_target back = {
		.address = forward->source, .port = forward->source_port, .flags = flags};
	struct nat_target holder;

	if (!nat_claim(&reverse, &back))
		return true;
	/* Ours already when only the forward half was evicted: the connection goes on unharmed. */
	return nat_find(&reverse, &holder, false) && holder.port == forward->source_port &&
	       same_address(&holder.address, &forward->source);
}

/* Gives forward a mapping to a port of node's, the packet's own if it is free: many protocols and
 * all debugging get easier. SCTP's checksum does not survive another port (and there is no help to
 * redo it), so it gets its own or none. 0, or the drop reason. Global, verified once by itself: the
 * loop would multiply every caller's states.
 */
__noinline int nat_allocate(struct nat_tuple *forward, struct nat_target *target)
{
	union v6addr node;
	__be16 port;

	if (!forward || !target)
		return DROP_NO_NAT_MAPPING;
	node = target->address;
	port = forward->source_port;
	for (int i = 0; i < NAT_TRIES; i++) {
		bool usable = i > 0 || is_masquerade_port(bpf_ntohs(port)) ||
			      forward->protocol == PROTOCOL_SCTP;

		if (usable && claim_port(forward, &node, target->flags, port)) {
			target->port = port;
			if (!nat_claim(forward, target))
				return 0;
			/* Another CPU mapped the same flow first: give ours back, take its. */
			if (nat_find(forward, target, false) && target->port != port) {
				struct nat_tuple unused = reverse_of(forward, &node, port);

				nat_release(&unused);
			}
			return 0;
		}
		if (forward->protocol == PROTOCOL_SCTP)
			return DROP_NO_NAT_MAPPING;
		port = bpf_htons(random_port());
	}
	return DROP_NO_NAT_MAPPING;
}

#endif
