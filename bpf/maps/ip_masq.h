/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_MAPS_IP_MASQ_H
#define TSI_MAPS_IP_MASQ_H

#include "maps/ipcache.h"

/* ip-masq-agent's nonMasqueradeCIDRs: pods reach these with their own addresses. The value says nothing: that there is one
 * does.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct ipcache_key);
	__type(value, __u32);
} tsi_ip_masq SEC(".maps");

#endif
