/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Building the direction-free key of maps/conntrack.h, and the two tables behind one name. */
#ifndef TSI_LIB_CONNTRACK_KEY_H
#define TSI_LIB_CONNTRACK_KEY_H

#include "lib/packet.h"
#include "lib/parse_l4.h"
#include "maps/conntrack.h"

static __always_inline bool is_tracked(const struct packet *pkt)
{
	return pkt->protocol == IPPROTO_TCP || pkt->protocol == IPPROTO_UDP ||
	       is_icmp(pkt->family, pkt->protocol) || pkt->protocol == PROTOCOL_SCTP;
}

static __always_inline bool source_port_high(const struct packet *pkt)
{
	return bpf_ntohs(pkt->source_port) > bpf_ntohs(pkt->destination_port);
}

static __always_inline bool source_high4(const struct packet *pkt)
{
	__u32 source = bpf_ntohl(pkt->flow_source.words[3]);
	__u32 destination = bpf_ntohl(pkt->destination.words[3]);

	return source == destination ? source_port_high(pkt) : source > destination;
}

static __always_inline bool source_high6(const struct packet *pkt)
{
	const union v6addr *source = &pkt->flow_source, *destination = &pkt->destination;

	if (source->halves[0] != destination->halves[0])
		return bpf_be64_to_cpu(source->halves[0]) > bpf_be64_to_cpu(destination->halves[0]);
	if (source->halves[1] != destination->halves[1])
		return bpf_be64_to_cpu(source->halves[1]) > bpf_be64_to_cpu(destination->halves[1]);
	return source_port_high(pkt);
}

/* Field by field: a record built on the stack would be too much for it. */
static __always_inline void write_key4(
	const struct packet *pkt, struct conntrack_key4 *key, bool high)
{
	__be32 source = pkt->flow_source.words[3], destination = pkt->destination.words[3];

	key->low_address = high ? destination : source;
	key->high_address = high ? source : destination;
	key->low_port = high ? pkt->destination_port : pkt->source_port;
	key->high_port = high ? pkt->source_port : pkt->destination_port;
	key->protocol = pkt->protocol;
	key->part = pkt->part;
	key->reserved[0] = 0;
	key->reserved[1] = 0;
}

static __always_inline void write_key6(
	const struct packet *pkt, struct conntrack_key6 *key, bool high)
{
	const union v6addr *source = &pkt->flow_source, *destination = &pkt->destination;

	key->low_address.halves[0] = high ? destination->halves[0] : source->halves[0];
	key->low_address.halves[1] = high ? destination->halves[1] : source->halves[1];
	key->high_address.halves[0] = high ? source->halves[0] : destination->halves[0];
	key->high_address.halves[1] = high ? source->halves[1] : destination->halves[1];
	key->low_port = high ? pkt->destination_port : pkt->source_port;
	key->high_port = high ? pkt->source_port : pkt->destination_port;
	key->protocol = pkt->protocol;
	key->part = pkt->part;
	key->reserved[0] = 0;
	key->reserved[1] = 0;
}

/* Returns whether the packet's source is the key's high end. */
static __always_inline bool conntrack_key(const struct packet *pkt, union conntrack_key *key)
{
	bool high = pkt->family == IPV4 ? source_high4(pkt) : source_high6(pkt);

	if (pkt->family == IPV4)
		write_key4(pkt, &key->v4, high);
	else
		write_key6(pkt, &key->v6, high);
	return high;
}

/* The tables of established connections. */
static __always_inline struct conntrack_entry *conntrack_find(
	enum family family, const union conntrack_key *key)
{
	return family == IPV4 ? bpf_map_lookup_elem(&tsi_ct4, &key->v4)
			      : bpf_map_lookup_elem(&tsi_ct6, &key->v6);
}

static __always_inline long conntrack_insert(
	enum family family, const union conntrack_key *key, const struct conntrack_entry *entry)
{
	return family == IPV4 ? bpf_map_update_elem(&tsi_ct4, &key->v4, entry, BPF_ANY)
			      : bpf_map_update_elem(&tsi_ct6, &key->v6, entry, BPF_ANY);
}

static __always_inline void conntrack_delete(enum family family, const union conntrack_key *key)
{
	if (family == IPV4)
		bpf_map_delete_elem(&tsi_ct4, &key->v4);
	else
		bpf_map_delete_elem(&tsi_ct6, &key->v6);
}

/* The tables of young ones. */
static __always_inline struct conntrack_entry *conntrack_find_new(
	enum family family, const union conntrack_key *key)
{
	return family == IPV4 ? bpf_map_lookup_elem(&tsi_ct4_new, &key->v4)
			      : bpf_map_lookup_elem(&tsi_ct6_new, &key->v6);
}

static __always_inline long conntrack_insert_new(
	enum family family, const union conntrack_key *key, const struct conntrack_entry *entry)
{
	return family == IPV4 ? bpf_map_update_elem(&tsi_ct4_new, &key->v4, entry, BPF_ANY)
			      : bpf_map_update_elem(&tsi_ct6_new, &key->v6, entry, BPF_ANY);
}

static __always_inline void conntrack_delete_new(enum family family, const union conntrack_key *key)
{
	if (family == IPV4)
		bpf_map_delete_elem(&tsi_ct4_new, &key->v4);
	else
		bpf_map_delete_elem(&tsi_ct6_new, &key->v6);
}

#endif
