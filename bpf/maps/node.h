/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_NODE_H
#define TSI_MAPS_NODE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "maps/endpoint.h"

enum node_flags {
	NODE_LOCAL = 1,
};

struct node {
	/* enum node_flags. */
	__u32 flags;
	__u32 reserved;
};

/* underlay address of a cluster node -> node. Written by the agent as nodes come and go; read to
 * decide whether a VXLAN packet's outer source may be believed. Not an LRU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct address_key);
	__type(value, struct node);
} tsi_nodes SEC(".maps");

#endif
