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
#include "maps/runtime.h"
#include "maps/service.h"

#define EVENT_PACKET_BYTES 128

enum event_kind {
	EVENT_DROP = 1,
	EVENT_TRACE = 2,
	/* event.code is enum policy_verdict. */
	EVENT_POLICY_VERDICT = 3,
	/* struct socket_event; event.code is enum translation_point. */
	EVENT_TRANSLATION = 4,
};

/* event.code of a trace: where the packet goes, or comes from. Cilium's numbers of observation points. */
enum trace_point {
	TRACE_TO_POD = 0,
	TRACE_TO_PROXY = 1,
	TRACE_TO_HOST = 2,
	TRACE_TO_STACK = 3,
	TRACE_TO_OVERLAY = 4,
	TRACE_FROM_POD = 5,
	TRACE_FROM_HOST = 7,
	TRACE_FROM_OVERLAY = 9,
	TRACE_FROM_NETWORK = 10,
	TRACE_TO_NETWORK = 11,
};

/* event.reason of a trace: what the packet is to its connection. Numbers of Cilium's flow.TraceReason. */
enum trace_reason {
	TRACE_REASON_UNKNOWN = 0,
	TRACE_REASON_NEW = 1,
	TRACE_REASON_ESTABLISHED = 2,
	TRACE_REASON_REPLY = 3,
	/* An ICMP error about it. */
	TRACE_REASON_RELATED = 4,
};

/* Beside a trace_reason. */
#define TRACE_DUE 0x80

/* event.code of a translation. */
enum translation_point {
	/* connect() or sendmsg() to a service's address: the backend in its place. */
	TRANSLATION_FORWARD = 1,
	/* There is none; the call was refused. */
	TRANSLATION_REFUSED = 2,
};

struct event_header {
	/* CLOCK_BOOTTIME. */
	__u64 timestamp_ns;
	/* Events of the same class (enum event_class) that this CPU could not send before this one, since the map was made. */
	__u64 lost;
	/* Bytes the packet has in the kernel; captured_length of them follow. */
	__u32 packet_length;
	/* Where the packet was met. */
	__u32 ifindex;
	/* 0: not known when the event was made. */
	__u32 source_identity;
	__u32 destination_identity;
	/* Policy rule that decided, 0: none. */
	__u32 rule;
	/* Frontend (maps/service.h) that the flow was opened to, 0: none is known. */
	__u32 frontend;
	/* The pod that it is about: whose policy, who sends or gets the packet. 0: none of this node. */
	__u16 endpoint_id;
	__u16 captured_length;
	__u16 cpu;
	/* enum event_kind. */
	__u8 kind;
	/* enum drop_reason, trace_point, policy_verdict or translation_point. */
	__u8 code;
	/* enum direction. */
	__u8 direction;
	/* The packet is a reply (1) or of the opening side (0). */
	__u8 reply;
	/* enum trace_reason. */
	__u8 reason;
	__u8 reserved[3];
	/* Listener of the proxy that gets the packet; 0: none, 1: a connection of the proxy's own. */
	__u16 proxy_port;
};

struct event {
	struct event_header header;
	/* From the Ethernet header on. */
	__u8 packet[EVENT_PACKET_BYTES];
};

/* A socket that asked for a service. Of the header, endpoint, identities and the packet's lengths are not set. */
struct socket_event {
	struct event_header header;
	union v6addr frontend_address;
	/* Zero when it was refused. */
	union v6addr backend_address;
	__u64 socket_cookie;
	__u64 cgroup_id;
	/* Whose socket it is: an endpoint's, or the node's. */
	__u64 netns_cookie;
	__be16 frontend_port;
	__be16 backend_port;
	__u8 protocol;
	__u8 reserved[3];
};

/* Each has its own ring and its own budget, so that a flood of one costs the other nothing. */
enum event_class {
	/* Drops, verdicts of policy, refused calls. */
	EVENTS_VERDICTS = 0,
	/* Traces and translations. */
	EVENTS_TRACES = 1,
};

/* struct event, or struct socket_event where header.kind says so. Written by drop() and its like, read by one reader in
 * user space, which polls: nobody is woken. Full: the event is lost and counted in tsi_event_rate.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
} tsi_events SEC(".maps");

/* The same, of forwarded packets. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23);
} tsi_traces SEC(".maps");

struct event_rate {
	/* Start of the running second, CLOCK_MONOTONIC. */
	__u64 window_ns;
	/* Since the map was made: not sent, because of too many in a second or a full ring; and sent. */
	__u64 lost;
	__u64 sent;
	/* In the running second. */
	__u32 sent_in_window;
	__u32 reserved;
};

/* enum event_class -> this CPU's budget of events and what exceeded it. Written by programs; lost is read by the
 * agent. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct event_rate);
} tsi_event_rate SEC(".maps");

/* Never pointed at anything: it makes these types part of the object's BTF, from which user space's
 * codecs are generated (a ring buffer's map definition cannot name its record).
 */
struct abi {
	struct event event;
	struct socket_event socket_event;
	enum event_kind event_kind;
	enum event_class event_class;
	enum trace_point trace_point;
	enum trace_reason trace_reason;
	enum trace_level trace_level;
	enum translation_point translation_point;
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
