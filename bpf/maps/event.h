/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_EVENT_H
#define TSI_MAPS_EVENT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lib/reasons.h"
#include "config.h"
#include "maps/conntrack.h"
#include "maps/endpoint.h"
#include "maps/metrics.h"
#include "maps/nat.h"
#include "maps/node.h"
#include "maps/policy.h"
#include "maps/service.h"

#define EVENT_PACKET_BYTES 128

enum event_kind {
	EVENT_DROP = 1,
	EVENT_TRACE = 2,
	/* event.code is enum policy_verdict. */
	EVENT_POLICY_VERDICT = 3,
};

/* event.code of a trace: what was done with the packet. */
enum trace_point {
	TRACE_TO_POD = 1,
	TRACE_TO_HOST = 2,
	TRACE_TO_OVERLAY = 3,
	TRACE_TO_STACK = 4,
	TRACE_TO_NETWORK = 5,
};

struct event_header {
	/* CLOCK_BOOTTIME. */
	__u64 timestamp_ns;
	/* Bytes the packet has in the kernel; captured_length of them follow. */
	__u32 packet_length;
	/* Where the packet was met. */
	__u32 ifindex;
	/* 0: not known when the event was made. */
	__u32 source_identity;
	__u32 destination_identity;
	/* Policy rule that decided, 0: none. */
	__u32 rule;
	/* Events this CPU could not send before this one, since its start. */
	__u32 lost;
	__u16 endpoint_id;
	__u16 captured_length;
	/* enum event_kind. */
	__u8 kind;
	/* enum drop_reason, enum trace_point or enum policy_verdict. */
	__u8 code;
	/* enum direction. */
	__u8 direction;
	/* The trace's packet is a reply (1) or of the opening side (0). */
	__u8 reply;
};

struct event {
	struct event_header header;
	/* From the Ethernet header on. */
	__u8 packet[EVENT_PACKET_BYTES];
};

/* struct event. Written by drop() and trace(), read by one reader in user space. Full: the event is
 * lost and counted in tsi_event_rate.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} tsi_events SEC(".maps");

struct event_rate {
	/* Start of the running second, CLOCK_MONOTONIC. */
	__u64 window_ns;
	/* Sent in it. */
	__u32 sent;
	__u32 reserved;
	/* Not sent since the map was made: too many in a second, or the ring was full. */
	__u64 lost;
};

/* 0 -> this CPU's budget of events and what exceeded it. Written by programs; lost is read by the
 * agent. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event_rate);
} tsi_event_rate SEC(".maps");

/* Never pointed at anything: it makes these types part of the object's BTF, from which user space's
 * codecs are generated (a ring buffer's map definition cannot name its record).
 */
struct abi {
	struct event event;
	enum event_kind event_kind;
	enum trace_point trace_point;
	enum metric metric;
	enum drop_reason drop_reason;
	enum direction direction;
	enum routing_mode routing_mode;
	enum endpoint_flags endpoint_flags;
	enum node_flags node_flags;
	enum conntrack_flags conntrack_flags;
	enum nat_direction nat_direction;
	enum nat_flags nat_flags;
	enum policy_slot policy_slot;
	enum policy_verdict policy_verdict;
	enum policy_response policy_response;
	enum policy_flags policy_flags;
	enum policy_class_flags policy_class_flags;
	enum frontend_flags frontend_flags;
	enum backend_algorithm backend_algorithm;
	enum backend_set_flags backend_set_flags;
	enum backend_state backend_state;
	enum affinity_kind affinity_kind;
	enum service_flow_flags service_flow_flags;
	enum socket_flow_kind socket_flow_kind;
};
const volatile struct abi *const volatile abi = 0;

#endif
