/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_REFUSAL_H
#define TSI_MAPS_REFUSAL_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* What the sender of a packet hears that no policy denied; follows enum policy_response. */
enum refusal {
	/* TCP reset; ICMP port unreachable for what is not TCP. */
	REFUSAL_NO_SERVICE = 3,
	/* ICMP fragmentation needed, ICMPv6 packet too big. */
	REFUSAL_TOO_BIG = 4,
};

struct refusal_rate {
	/* Start of the running second, CLOCK_MONOTONIC. */
	__u64 window_ns;
	/* Answers given in it, and those there was no budget for. */
	__u64 sent;
};

/* 0 -> this CPU's budget of answers to denied packets. Written and read by programs alone. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct refusal_rate);
} tsi_refusal_rate SEC(".maps");

#endif
