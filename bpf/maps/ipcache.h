/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_IPCACHE_H
#define TSI_MAPS_IPCACHE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lib/address.h"

/* An IPv4 prefix a.b.c.d/n is ::ffff:a.b.c.d/(96+n). Packed: the trie compares bits from right
 * after prefixlen, where the address must be and not the padding that its alignment would ask for.
 */
struct ipcache_key {
	__u32 prefixlen;
	union v6addr address;
} __attribute__((packed));

struct ipcache_entry {
	__u32 identity;
	/* Which policy prefixes cover this address (design decision 4), 0 if none. */
	__u32 cidr_set;
	/* Outer address of the node that holds the prefix; all zero: local, or not tunnelled. */
	union v6addr tunnel_endpoint;
	__u32 flags;
	/* Changes when the address goes to somebody else, also to one of the same identity; opaque, not 0. */
	__u32 owner;
};

/* prefix -> identity and where it lives; the longest prefix wins. Written by the agent's one owner
 * of addresses; read where identity does not come with the packet, and to find the tunnel's far
 * end. A miss means world.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 512000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct ipcache_key);
	__type(value, struct ipcache_entry);
} tsi_ipcache SEC(".maps");

#endif
