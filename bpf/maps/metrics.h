/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_METRICS_H
#define TSI_MAPS_METRICS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* As the pod sees it: egress is what it sends, ingress what is sent to it. */
enum direction {
	DIRECTION_INGRESS = 1,
	DIRECTION_EGRESS = 2,
};

struct metrics_value {
	__u64 packets;
	__u64 bytes;
};

/* reason | direction << 8 -> packets and bytes, per CPU. Reason is enum metric or a drop reason.
 * Written by every program; read by the agent. An array, since counting a forwarded packet is on
 * the fast path and an array slot costs no hash.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 768);
	__type(key, __u32);
	__type(value, struct metrics_value);
} tsi_metrics SEC(".maps");

#endif
