/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Internet checksum (RFC 1071) of what we write ourselves. */
#ifndef TSI_LIB_CHECKSUM_H
#define TSI_LIB_CHECKSUM_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include "lib/packet.h"
#include "maps/answer.h"

/* Hops that packets of our own making may travel. */
#define OUR_TTL 64

/* Where this CPU builds a packet, cleared. */
static __always_inline void *new_answer(void)
{
	__u32 zero = 0;
	struct answer *answer = bpf_map_lookup_elem(&tsi_answer, &zero);

	if (answer)
		__builtin_memset(answer, 0, sizeof(*answer));
	return answer;
}

static __always_inline __sum16 fold_checksum(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

static __always_inline void checksum4(struct iphdr *ip)
{
	ip->check = 0;
	ip->check = fold_checksum(bpf_csum_diff(0, 0, (__be32 *)ip, sizeof(*ip), 0));
}

/* RFC 8200 8.1: to be added to the sum of the upper-layer packet, whose length this is. */
static __always_inline __s64 pseudo_sum6(const struct ipv6hdr *ip, __u32 length, __u8 protocol)
{
	__s64 addresses = bpf_csum_diff(0, 0, (__be32 *)&ip->saddr, 2 * sizeof(ip->saddr), 0);

	return addresses + bpf_htonl(length) + bpf_htonl(protocol);
}

#endif
