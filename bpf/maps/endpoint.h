/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_ENDPOINT_H
#define TSI_MAPS_ENDPOINT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lib/address.h"

enum endpoint_flags {
	/* One of the node's own addresses: hand packets to the host's stack. */
	ENDPOINT_HOST = 1,
};

/* A local pod, or (flag HOST) one of the node's own addresses, for which identity and flags alone
 * are meant. mac and node_mac are adjacent: together they are the head of a frame to the pod.
 */
struct endpoint {
	/* Host-side veth. Never used again for another pod, so it tells two owners of an address apart. */
	__u32 ifindex;
	__u32 identity;
	__u16 id;
	/* enum endpoint_flags. */
	__u16 flags;
	/* The pod's own interface. */
	__u8 mac[6];
	/* The host-side veth, which answers for the gateway. */
	__u8 node_mac[6];
	__be32 ipv4;
	/* What its policy is looked up by (maps/policy.h); 0: none yet, which drops. */
	__u32 subject;
	union v6addr ipv6;
	/* Of the pod's network namespace: what its sockets are known by. 0: not known. */
	__u64 netns_cookie;
};

/* IPv4 as IPv4-mapped. */
struct address_key {
	union v6addr address;
};

/* ifindex of a pod's host-side veth -> endpoint. Written by the agent before the pod's link is
 * attached; read for each packet a pod sends. Not an LRU: a full map fails the pod's creation.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct endpoint);
} tsi_ep_if SEC(".maps");

/* address -> endpoint: local pods' addresses, and all of the node's own (flag HOST). Written by the
 * agent; read to deliver, and to know whose a source address is. Not an LRU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__type(key, struct address_key);
	__type(value, struct endpoint);
} tsi_ep_addr SEC(".maps");

#endif
