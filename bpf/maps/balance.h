/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_BALANCE_H
#define TSI_MAPS_BALANCE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lib/address.h"
#include "maps/service.h"

/* What is known of a packet so far (lib/packet.h). */
struct saved_packet {
	union v6addr source;
	union v6addr destination;
	union v6addr flow_source;
	__be16 source_port;
	__be16 destination_port;
	__u16 l4_offset;
	__u16 header_length;
	__u16 quoted_l3_offset;
	__u16 quoted_l4_offset;
	__u8 fragment;
	__u8 protocol;
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 hops;
	__u8 icmp_error;
	__u8 dont_fragment;
	__u8 has_ports;
	/* A NAT mapping proves that it is one. */
	__u8 known_reply;
	__u8 reserved[3];
	/* Frontend that it came for, 0: none. */
	__u32 frontend;
	__u32 reserved_word;
};

/* A packet for a frontend, and what was chosen for it. */
struct balance {
	struct frontend_key asked;
	struct service_flow_key key;
	__u8 tcp_flags;
	/* An error about the flow, which never opens one. */
	__u8 icmp_error;
	/* The frontend was found by its port, as one of any node's. */
	__u8 by_port;
	/* There is no backend, and the client hears nothing. */
	__u8 silent;
	__be16 backend_port;
	/* The packet is the first of its flow. */
	__u8 opened;
	__u8 reserved;
	struct frontend frontend;
	__u32 set;
	__u32 reserved_word;
	union v6addr backend;

	/* Between functions. */
	struct affinity_key client;
	struct service_flow flow;
	/* The packet, while one function after the other has it (save_packet()). */
	struct saved_packet packet;
};

/* 0 -> this CPU's packet. A program's memory while it runs, as tsi_flow is (maps/flow.h). Not for sockets' programs, which
 * others may interrupt.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct balance);
} tsi_balance SEC(".maps");

#endif
