/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP of both families: RFC 792, RFC 4443. (linux/icmp.h drags in the C library's headers.) */
#ifndef TSI_LIB_ICMP_H
#define TSI_LIB_ICMP_H

#include <linux/in.h>
#include <linux/in6.h>
#include "lib/packet.h"

enum icmp4_type {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_SOURCE_QUENCH = 4,
	ICMP4_ECHO_REQUEST = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER_PROBLEM = 12,
};

enum icmp6_type {
	/* All below are errors. */
	ICMP6_INFORMATIONAL = 128,
	ICMP6_ECHO_REQUEST = 128,
	ICMP6_ECHO_REPLY = 129,
	MLD_QUERY = 130,
	MLD_REPORT = 131,
	MLD_DONE = 132,
	NDP_ROUTER_SOLICITATION = 133,
	NDP_ROUTER_ADVERTISEMENT = 134,
	NDP_NEIGHBOUR_SOLICITATION = 135,
	NDP_NEIGHBOUR_ADVERTISEMENT = 136,
	NDP_REDIRECT = 137,
	MLD2_REPORT = 143,
};

/* Both families' echo and error messages begin alike: type, code, checksum, then id and sequence.
 */
struct icmp_head {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be16 id;
	__be16 sequence;
};

static __always_inline bool is_icmp(enum family family, __u8 protocol)
{
	return protocol == (family == IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static __always_inline bool is_echo_request(enum family family, __u8 type)
{
	return type == (family == IPV4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST);
}

static __always_inline bool is_echo_reply(enum family family, __u8 type)
{
	return type == (family == IPV4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY);
}

/* Messages about another packet, which they quote. */
static __always_inline bool is_icmp_error(enum family family, __u8 type)
{
	if (family == IPV6)
		return type < ICMP6_INFORMATIONAL;
	return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED ||
	       type == ICMP4_PARAMETER_PROBLEM || type == ICMP4_SOURCE_QUENCH;
}

#endif
