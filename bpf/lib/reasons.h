/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why a packet was dropped, or what else was counted. Numbers are Cilium's (its monitor API), so
 * that tools which know them go on working.
 */
#ifndef TSI_LIB_REASONS_H
#define TSI_LIB_REASONS_H

/* Counted, not dropped. */
enum metric {
	METRIC_FORWARDED = 0,
	/* Talk of one link that a router answers with silence: MLD, RS, DAD, gratuitous ARP. Ours.
	 */
	METRIC_ABSORBED = 100,
};

enum drop_reason {
	DROP_INVALID_SOURCE = 132,
	DROP_POLICY = 133,
	DROP_INVALID_PACKET = 134,
	DROP_TRUNCATED_L4 = 135,
	DROP_FRAGMENTATION_NEEDED = 136,
	DROP_UNKNOWN_L4 = 137,
	DROP_UNSUPPORTED_L3 = 139,
	DROP_WRITE_ERROR = 141,
	DROP_NO_TUNNEL_KEY = 147,
	DROP_UNKNOWN_TARGET = 150,
	DROP_UNROUTABLE = 151,
	DROP_CONNTRACK_FULL = 155,
	DROP_EXTENSION_HEADER = 156,
	DROP_NO_CONFIG = 165,
	DROP_UNSUPPORTED_L2 = 166,
	DROP_NO_NAT_MAPPING = 167,
	DROP_NAT_UNSUPPORTED = 168,
	DROP_ENCAPSULATION = 170,
	DROP_UNKNOWN_SENDER = 172,
	DROP_FIRST_FRAGMENT_MISSING = 175,
	DROP_FORBIDDEN_ICMP6 = 176,
	DROP_POLICY_DENY = 181,
	DROP_VLAN = 182,
	DROP_INVALID_VNI = 183,
	DROP_TTL_EXCEEDED = 196,
};

#endif
