/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_CONNTRACK_H
#define TSI_MAPS_CONNTRACK_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lib/address.h"

enum conntrack_flags {
	/* The side that opened the connection is the key's high side (else the low one). */
	CONNTRACK_ORIGIN_HIGH = 1,
	CONNTRACK_SEEN_REPLY = 2,
	/* FIN seen from that side; RST sets both. */
	CONNTRACK_ORIGIN_CLOSED = 4,
	CONNTRACK_REPLY_CLOSED = 8,
	/* TCP flags that have been told of (trace_flags), of either side: FIN is the lowest of five bits. */
	CONNTRACK_ORIGIN_TOLD = 0x1f << 4,
	CONNTRACK_REPLY_TOLD = 0x1f << 9,
	/* TCP: proxy_port's listener has accepted it, and has it until its end. */
	CONNTRACK_PROXIED = 1 << 14,
};

#define CONNTRACK_ORIGIN_TOLD_SHIFT 4
#define CONNTRACK_REPLY_TOLD_SHIFT 9

/* Of one connection through proxies of this node: its parts have the same ends, and ports that may happen to be the same.
 *
 *   client ---CLIENT---> proxy ---OF_EGRESS_PROXY or OF_INGRESS_PROXY---> server
 */
enum conntrack_part {
	/* Or all of a connection that no proxy has. */
	CONNTRACK_CLIENT = 0,
	CONNTRACK_OF_EGRESS_PROXY = 1,
	CONNTRACK_OF_INGRESS_PROXY = 2,
};

/* Both ends of a connection, ordered, so that packets of both directions make the same key: low is
 * the end whose (address, port) is smaller, compared as big-endian numbers, address first.
 * ICMP echo: the requester's port is the echo id, the responder's is 0, so that a ping one way
 * never matches a ping the other way with the same id.
 */
struct conntrack_key4 {
	__be32 low_address;
	__be32 high_address;
	__be16 low_port;
	__be16 high_port;
	__u8 protocol;
	/* enum conntrack_part. */
	__u8 part;
	__u8 reserved[2];
};

struct conntrack_key6 {
	union v6addr low_address;
	union v6addr high_address;
	__be16 low_port;
	__be16 high_port;
	__u8 protocol;
	/* enum conntrack_part. */
	__u8 part;
	__u8 reserved[2];
};

union conntrack_key {
	struct conntrack_key4 v4;
	struct conntrack_key6 v6;
};

struct conntrack_entry {
	/* CLOCK_MONOTONIC; past it the entry counts as absent. */
	__u64 expires_ns;
	/* tsi_runtime.epoch under which the verdict was decided. */
	__u32 epoch;
	/* Of the side that opened the connection, and of the other. */
	__u32 origin_identity;
	__u32 reply_identity;
	/* Whose the two addresses were: see owner in maps/endpoint.h and maps/ipcache.h. An address that has
	 * another owner now is not this connection's end any more.
	 */
	__u32 origin_owner;
	__u32 reply_owner;
	/* enum conntrack_flags. */
	__u16 flags;
	/* Listener that packets of the opening side are handed to, 0: none. */
	__u16 proxy_port;
	/* Frontend (maps/service.h) whose address replies get as their source, 0: none. */
	__u32 frontend;
	/* When a packet of either side was told of last, in ticks of 2^30 ns of CLOCK_MONOTONIC; 0: none was. */
	__u16 origin_told;
	__u16 reply_told;
};

/* connection -> state and remembered verdict, of connections that have been answered and answered
 * again from the side that opened them. Written and read by every program that meets a pod's
 * packet; swept by the agent. LRU: the kernel evicts the least recently used when full, and the
 * next packet of an evicted connection is decided as new.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 524288);
	__type(key, struct conntrack_key4);
	__type(value, struct conntrack_entry);
} tsi_ct4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 524288);
	__type(key, struct conntrack_key6);
	__type(value, struct conntrack_entry);
} tsi_ct6 SEC(".maps");

/* The same for connections that have not got so far. Apart, so that a flood of first packets evicts
 * other first packets and never an established connection.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct conntrack_key4);
	__type(value, struct conntrack_entry);
} tsi_ct4_new SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct conntrack_key6);
	__type(value, struct conntrack_entry);
} tsi_ct6_new SEC(".maps");

#endif
