/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_TRANSLATION_H
#define TSI_MAPS_TRANSLATION_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lib/address.h"
#include "maps/nat.h"

/* One way of a flow, to look a mapping up by. */
struct nat_tuple {
	struct nat_key6 key;
	/* enum family. */
	__u8 family;
	__u8 tcp_flags;
	__u8 reserved[6];
};

/* What to put in the place of one end of a packet. */
struct rewrite {
	union v6addr from;
	union v6addr to;
	/* ICMP echo: ids. */
	__be16 from_port;
	__be16 to_port;
	__u16 l4_offset;
	/* Only of ICMP errors. */
	__u16 quoted_l3_offset;
	__u16 quoted_l4_offset;
	/* Of the flow; an error's own is ICMP. */
	__u8 protocol;
	/* enum family, enum packet_end, enum fragment. */
	__u8 family;
	__u8 end;
	__u8 fragment;
	__u8 reserved[2];
};

/* Of a packet that an ICMP error quotes. */
struct quoted {
	union v6addr source;
	union v6addr destination;
	/* ICMP echo ids as in maps/conntrack.h. */
	__be16 source_port;
	__be16 destination_port;
	/* Set before the rest is read. */
	__u16 l3_offset;
	__u16 l4_offset;
	__u8 protocol;
	__u8 reserved[7];
};

struct translation {
	/* The way that is looked up, and what is found there, or to be written. */
	struct nat_tuple tuple;
	struct nat_entry6 target;
	/* The way back of a mapping that is being made. */
	struct nat_tuple back_tuple;
	struct nat_entry6 back;
	struct rewrite rewrite;
	/* What the parser reads of an ICMP error. */
	struct quoted quoted;
	/* What is written of either, in IPv4's records. */
	struct nat_key4 key4;
	struct nat_entry4 entry4;
};

/* 0 -> this CPU's translation under way. A program's memory while it runs, as tsi_flow is (maps/flow.h). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct translation);
} tsi_translation SEC(".maps");

#endif
