/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Only a datagram's first fragment has ports (and, IPv6, surely the protocol): it leaves them here
 * for the later ones.
 */
#ifndef TSI_LIB_FRAGMENT_H
#define TSI_LIB_FRAGMENT_H

#include "lib/event.h"
#include "lib/packet.h"
#include "maps/fragment.h"

/* As long as a receiver may hold an incomplete datagram (Linux's ipfrag_time). */
#define FRAGMENT_LIFETIME_NS (30 * NSEC_PER_SEC)

union fragment_key {
	struct fragment_key4 v4;
	struct fragment_key6 v6;
};

static __always_inline void fragment_key(
	const struct packet *pkt, __be32 id, union fragment_key *key)
{
	if (pkt->family == IPV4) {
		key->v4 = (struct fragment_key4){
			.source = pkt->source.words[3],
			.destination = pkt->destination.words[3],
			.id = (__be16)id,
			.protocol = pkt->protocol,
		};
		return;
	}
	key->v6 = (struct fragment_key6){
		.source = pkt->source, .destination = pkt->destination, .id = id};
}

static __always_inline void remember_fragment(const struct packet *pkt, __be32 id)
{
	union fragment_key key;
	struct fragment_entry entry = {
		.expires_ns = bpf_ktime_get_coarse_ns() + FRAGMENT_LIFETIME_NS,
		.source_port = pkt->source_port,
		.destination_port = pkt->destination_port,
		.protocol = pkt->protocol,
	};

	fragment_key(pkt, id, &key);
	if (pkt->family == IPV4)
		bpf_map_update_elem(&tsi_frag4, &key.v4, &entry, BPF_ANY);
	else
		bpf_map_update_elem(&tsi_frag6, &key.v6, &entry, BPF_ANY);
}

/* Leaves has_ports false when the first fragment has not been seen. */
static __always_inline void recall_fragment(struct packet *pkt, __be32 id)
{
	union fragment_key key;
	struct fragment_entry *entry;

	fragment_key(pkt, id, &key);
	if (pkt->family == IPV4)
		entry = bpf_map_lookup_elem(&tsi_frag4, &key.v4);
	else
		entry = bpf_map_lookup_elem(&tsi_frag6, &key.v6);
	pkt->has_ports = entry && entry->expires_ns > bpf_ktime_get_coarse_ns();
	if (!pkt->has_ports)
		return;
	pkt->source_port = entry->source_port;
	pkt->destination_port = entry->destination_port;
	pkt->protocol = entry->protocol;
}

#endif
