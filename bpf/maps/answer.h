/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_ANSWER_H
#define TSI_MAPS_ANSWER_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct answer {
	/* Room for the longest head that we write ourselves, in units that structs align to. */
	__u64 words[16];
};

/* 0 -> where this CPU builds a packet of its own. A program's memory while it runs, as tsi_flow is (maps/flow.h). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct answer);
} tsi_answer SEC(".maps");

#endif
