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

/* ICMP echo: the id takes the place of the requester's port. A packet that opens a mapping is a
 * request (the responder's own id is never rewritten), so for ICMP too the source port is what
 * gives way.
 */
static __always_inline struct nat_tuple reverse_of(
	const struct nat_tuple *forward, const struct nat_entry6 *target)
{
	return (struct nat_tuple){
		.key = {.source = forward->key.destination,
			.destination = target->address,
			.source_port = forward->key.destination_port,
			.protocol = forward->key.protocol,
			.direction = NAT_REVERSE},
		.family = forward->family,
		.tcp_flags = forward->tcp_flags,
	};
}

/* Whether replies to reverse's end are, or could be made, the flow's own. */
static __always_inline bool claim_port(
	const struct nat_tuple *forward, const struct nat_tuple *reverse, struct nat_entry6 *back)
{
	back->address = forward->key.source;
	back->port = forward->key.source_port;
	if (!nat_claim(reverse, back))
		return true;
	/* Ours already when only the forward half was evicted: the connection goes on unharmed. */
	return nat_find(reverse, back, false) && back->port == forward->key.source_port &&
	       same_address(&back->address, &forward->key.source);
}

/* The way out, once the way back is claimed. Another CPU may have mapped the same flow meanwhile:
 * then ours is given back and its taken.
 */
static __always_inline void complete(
	const struct nat_tuple *forward, const struct nat_tuple *reverse, struct nat_entry6 *target)
{
	target->address = reverse->key.destination;
	target->port = reverse->key.destination_port;
	if (nat_claim(forward, target) && nat_find(forward, target, false) &&
		target->port != reverse->key.destination_port)
		nat_release(reverse);
}

/* Gives forward a mapping to target's address and a port of its, the packet's own if that is free:
 * many protocols and all debugging get easier. SCTP's checksum does not survive another port (and
 * there is no help to redo it), so it gets its own or none. 0, or the drop reason.
 */
__noinline int nat_allocate(const struct nat_tuple *forward, struct nat_entry6 *target)
{
	struct nat_tuple reverse;
	__u16 flags;
	bool sctp;

	if (!forward || !target)
		return DROP_NO_NAT_MAPPING;
	flags = target->flags;
	sctp = forward->key.protocol == PROTOCOL_SCTP;
	reverse = reverse_of(forward, target);
	reverse.key.destination_port = forward->key.source_port;
	if (!sctp && !is_masquerade_port(bpf_ntohs(forward->key.source_port)))
		reverse.key.destination_port = bpf_htons(random_port());
	for (int i = 0; i < NAT_TRIES; i++) {
		/* One record for both ways, first the one back: the stack is short. */
		target->flags = flags;
		if (claim_port(forward, &reverse, target)) {
			complete(forward, &reverse, target);
			return 0;
		}
		if (sctp)
			return DROP_NO_NAT_MAPPING;
		reverse.key.destination_port = bpf_htons(random_port());
	}
	return DROP_NO_NAT_MAPPING;
}

#endif
