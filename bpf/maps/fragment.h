/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_FRAGMENT_H
#define TSI_MAPS_FRAGMENT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lib/address.h"

struct fragment_key4 {
	__be32 source;
	__be32 destination;
	__be16 id;
	__u8 protocol;
	__u8 reserved;
};

/* No protocol: in later fragments Next Header may name an extension header (RFC 8200 4.5). */
struct fragment_key6 {
	union v6addr source;
	union v6addr destination;
	__be32 id;
	__u32 reserved;
};

/* What only a datagram's first fragment carries. */
struct fragment_entry {
	/* CLOCK_MONOTONIC; ids are reused, so an old entry must not speak for a new datagram. */
	__u64 expires_ns;
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 reserved[3];
};

/* datagram -> ports. Written by the first fragment, read by the others. LRU: when evicted, the rest
 * of that datagram is dropped (175).
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct fragment_key4);
	__type(value, struct fragment_entry);
} tsi_frag4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct fragment_key6);
	__type(value, struct fragment_entry);
} tsi_frag6 SEC(".maps");

#endif
