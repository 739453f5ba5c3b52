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
static __always_inline void describe_way_back(struct translation *translation, __be16 port)
{
	const struct nat_tuple *forward = &translation->tuple;

	translation->back_tuple = (struct nat_tuple){
		.key = {.source = forward->key.destination,
			.destination = translation->target.address,
			.source_port = forward->key.destination_port,
			.destination_port = port,
			.protocol = forward->key.protocol,
			.direction = NAT_REVERSE},
		.family = forward->family,
		/* A reset ends both ways, a FIN its own. */
		.tcp_flags = forward->tcp_flags & ~TCP_FIN,
	};
	translation->back = (struct nat_entry6){
		.address = forward->key.source,
		.port = forward->key.source_port,
		.flags = translation->target.flags & NAT_HOST,
		.frontend = translation->target.frontend,
	};
}

/* Whether replies to that end are, or could be made, the flow's own. */
static __always_inline bool claim_port(struct translation *translation)
{
	const struct nat_key6 *forward = &translation->tuple.key;

	if (!nat_write(NAT_WAY_BACK, BPF_NOEXIST))
		return true;
	/* Ours already when only the forward half was evicted: the connection goes on unharmed. */
	return nat_find(NAT_WAY_BACK, false) && translation->back.port == forward->source_port &&
	       same_address(&translation->back.address, &forward->source);
}

/* The way out, once the way back is claimed. Another CPU may have mapped the same flow meanwhile:
 * then ours is given back and its taken.
 */
static __always_inline void complete(struct translation *translation, __be16 port)
{
	translation->target.port = port;
	if (nat_write(NAT_WAY, BPF_NOEXIST) && nat_find(NAT_WAY, false) &&
		translation->target.port != port)
		nat_release(NAT_WAY_BACK);
}

/* Gives this_translation()'s flow a mapping to its target's address and a port of its, the packet's own if that is free:
 * many protocols and all debugging get easier. SCTP's checksum does not survive another port (and
 * there is no help to redo it), so it gets its own or none. 0, or the drop reason.
 */
__noinline int nat_allocate(void)
{
	struct translation *translation = this_translation();
	__be16 port;
	bool sctp;

	if (!translation)
		return DROP_NO_NAT_MAPPING;
	sctp = translation->tuple.key.protocol == PROTOCOL_SCTP;
	port = translation->tuple.key.source_port;
	if (!sctp && !is_masquerade_port(bpf_ntohs(port)))
		port = bpf_htons(random_port());
	for (int i = 0; i < NAT_TRIES; i++) {
		describe_way_back(translation, port);
		if (claim_port(translation)) {
			complete(translation, port);
			return 0;
		}
		if (sctp)
			return DROP_NO_NAT_MAPPING;
		port = bpf_htons(random_port());
	}
	return DROP_NO_NAT_MAPPING;
}

/* The same two ends may meet through several frontends: target's says which answers get from now on. Global, as
 * nat_allocate() is.
 */
__noinline int nat_follow_frontend(void)
{
	struct translation *translation = this_translation();

	if (!translation)
		return 0;
	nat_write(NAT_WAY, BPF_ANY);
	describe_way_back(translation, translation->target.port);
	return nat_write(NAT_WAY_BACK, BPF_ANY);
}

#endif
