/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_LIB_METRICS_H
#define TSI_LIB_METRICS_H

#include "maps/metrics.h"

/* The one place that counts packets; reason is enum metric or enum drop_reason. */
static __always_inline void count_packet(__u32 length, __u32 reason, enum direction direction)
{
	__u32 key = reason | direction << 8;
	struct metrics_value *value = bpf_map_lookup_elem(&tsi_metrics, &key);

	if (!value)
		return;
	value->packets++;
	value->bytes += length;
}

static __always_inline void count(struct __sk_buff *skb, __u32 reason, enum direction direction)
{
	count_packet(skb->len, reason, direction);
}

#endif
