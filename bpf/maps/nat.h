/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_NAT_H
#define TSI_MAPS_NAT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lib/address.h"

enum nat_direction {
	/* As the sender wrote it -> source to put on the wire. */
	NAT_FORWARD = 0,
	/* As the reply arrives -> destination to give it back. */
	NAT_REVERSE = 1,
	/* As a backend answers -> the frontend to put in its place, where that does not follow from elsewhere. Of its own, so that what
	 * clients from outside can bring about never meets what FORWARD holds of the node's and pods' own connections.
	 */
	NAT_ANSWER = 2,
};

enum nat_flags {
	/* The node's own connection: kept so that no pod is given its port. */
	NAT_HOST = 1,
	/* FIN or RST seen in this entry's direction. */
	NAT_CLOSED = 2,
	/* RST seen in this entry's direction, which nothing answers: the other one is over too. */
	NAT_RESET = 4,
};

/* ICMP echo: source_port is the id of a request, destination_port the id of a reply, the other is
 * 0. */
struct nat_key4 {
	__be32 source;
	__be32 destination;
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	/* enum nat_direction. */
	__u8 direction;
	__u8 reserved[2];
};

struct nat_key6 {
	union v6addr source;
	union v6addr destination;
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	/* enum nat_direction. */
	__u8 direction;
	__u8 reserved[2];
};

struct nat_entry4 {
	/* CLOCK_MONOTONIC. A mapping is two entries (FORWARD, REVERSE), each refreshed by the
	 * packets of its own direction: it is over when both have expired, or both are CLOSED and
	 * either expired, or one that is RESET expired.
	 */
	__u64 expires_ns;
	__be32 address;
	__be16 port;
	/* enum nat_flags. */
	__u16 flags;
	/* Of NAT_REVERSE: frontend (maps/service.h) that the client sees in place of the one that answers, 0: none. */
	__u32 frontend;
	__u32 reserved;
};

struct nat_entry6 {
	__u64 expires_ns;
	union v6addr address;
	__be16 port;
	/* enum nat_flags. */
	__u16 flags;
	/* As nat_entry4's. */
	__u32 frontend;
};

/* tuple and direction -> rewritten end. Written and read at the underlay device; swept by the
 * agent. LRU: an evicted mapping is made anew by the next packet out, with the same port if still
 * free.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 524288);
	__type(key, struct nat_key4);
	__type(value, struct nat_entry4);
} tsi_nat4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 524288);
	__type(key, struct nat_key6);
	__type(value, struct nat_entry6);
} tsi_nat6 SEC(".maps");

#endif
