/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_FLOW_H
#define TSI_MAPS_FLOW_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lib/address.h"
#include "maps/conntrack.h"

/* A flow as one end's policy sees it. */
struct policy_question {
	union v6addr peer_address;
	__u32 slot;
	__u32 peer_identity;
	/* Of the flow's destination; an ICMP type for ICMP. */
	__be16 port;
	__u8 protocol;
	__u8 reserved[5];
};

struct policy_answer {
	__u32 rule;
	__u16 proxy_port;
	/* enum policy_verdict. */
	__u8 verdict;
	/* enum policy_response. */
	__u8 response;
};

/* One end of a flow. */
struct flow_end {
	union v6addr address;
	__u32 identity;
	/* What its policy is looked up by, if it is a pod of this node; 0: it is not. */
	__u32 subject;
	/* Whose the address is (maps/conntrack.h); 0: not looked up yet. */
	__u32 owner;
	__u16 endpoint_id;
	__be16 port;
};

/* Not a drop reason: see recall(). */
#define FLOW_UNDECIDED 1

enum flow_state {
	/* To be decided, and forgotten. */
	FLOW_STATELESS,
	/* To be decided, and remembered. */
	FLOW_NEW,
	/* Remembered, but the epoch moved since it was decided. */
	FLOW_STALE,
};

struct flow {
	/* As this packet travels. */
	struct flow_end source;
	struct flow_end destination;
	/* The source's place in the flow: another address than its own for an ICMP error that a router sent
	 * about somebody else's packet.
	 */
	union v6addr flow_source;
	union conntrack_key key;
	/* tsi_runtime.epoch, taken before anything was looked up. */
	__u32 epoch;
	__u8 family;
	__u8 protocol;
	__u8 tcp_flags;
	__u8 icmp_type;
	/* The source is the key's high end. */
	__u8 source_high;
	__u8 icmp_error;
	/* Flows of its kind are: see is_remembered(). */
	__u8 remembered;
	/* A NAT mapping proves that the packet is a reply. */
	__u8 known_reply;

	/* Frontend that the flow was opened to (maps/service.h), 0: none. */
	__u32 frontend;

	/* enum flow_state. */
	__u8 state;
	/* Where it was found: in the table of young connections; and the other one has an entry under the key,
	 * if only one that is over.
	 */
	__u8 young;
	__u8 established_before;
	__u8 is_reply;

	/* What came of it. */
	/* Of a denial: enum policy_response, the side whose policy it was, and the rule. */
	__u8 response;
	__u8 direction;
	/* See struct packet. */
	__u8 trace;
	/* enum conntrack_part. */
	__u8 part;
	__u16 endpoint_id;
	__u16 proxy_port;
	__u32 rule;
	/* Of a reply: the frontend that is to be its source. */
	__u32 reply_frontend;
	__u32 reserved_word;

	/* Between functions. */
	struct policy_question question;
	struct policy_answer answer;
	struct conntrack_entry entry;
};

/* 0 -> this CPU's flow under consideration. A program's memory while it runs: 512 bytes of stack are too few
 * for a flow and the functions that look at it. Programs of one CPU never interrupt each other at these hooks.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow);
} tsi_flow SEC(".maps");

#endif
