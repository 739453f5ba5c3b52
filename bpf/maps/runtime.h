/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_RUNTIME_H
#define TSI_MAPS_RUNTIME_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Which forwarded packets make trace events (Cilium's monitor aggregation). */
enum trace_level {
	TRACE_OFF = 0,
	/* Per connection and direction: its first packet, one with a TCP flag that was not seen before, and one every
	 * trace_interval ("medium").
	 */
	TRACE_CONNECTIONS = 1,
	/* Every packet, once, where it goes ("low"). */
	TRACE_SENT = 2,
	/* And where it comes from ("none"). */
	TRACE_ALL = 3,
};

struct runtime {
	/* Moved last, after every map that a verdict depends on (design decision 5). */
	__u32 epoch;
	/* enum trace_level. */
	__u32 trace;
	/* Nonzero: verdicts that allow make events. */
	__u32 verdicts;
	/* Nonzero: proxies may have connections to servers. */
	__u32 proxies;
};

/* 0 -> what user space changes while programs run. Written by the agent's threads, who map it into their
 * memory: the epoch is counted up by several of them at once. Read per packet.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct runtime);
} tsi_runtime SEC(".maps");

#endif
