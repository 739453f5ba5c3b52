/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A denied TCP segment becomes its reset. */
#ifndef TSI_LIB_REFUSE_RESET_H
#define TSI_LIB_REFUSE_RESET_H

#include <linux/tcp.h>
#include "lib/checksum.h"
#include "lib/packet.h"

/* RFC 9293 3.10.7.1: what a closed port answers. length: the segment's, header included, by its IP header: short frames are
 * padded.
 */
static __always_inline void become_reset(struct tcphdr *tcp, __u32 length)
{
	struct tcphdr to = *tcp;

	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->source = to.dest;
	tcp->dest = to.source;
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	if (to.ack) {
		tcp->seq = to.ack_seq;
		return;
	}
	tcp->ack = 1;
	tcp->ack_seq = bpf_htonl(bpf_ntohl(to.seq) + length - (__u32)to.doff * 4 + to.syn + to.fin);
}

struct segment4 {
	struct iphdr ip;
	struct tcphdr tcp;
};

struct segment6 {
	struct ipv6hdr ip;
	struct tcphdr tcp;
};

static __noinline int become_reset4(struct __sk_buff *skb)
{
	struct segment4 *segment = new_answer();
	__be32 destination;
	__s64 sum;

	if (!segment || bpf_skb_load_bytes(skb, L3_OFFSET, segment, sizeof(*segment)) ||
		segment->ip.ihl != 5)
		return -1;
	become_reset(&segment->tcp, bpf_ntohs(segment->ip.tot_len) - sizeof(segment->ip));
	destination = segment->ip.saddr;
	segment->ip.saddr = segment->ip.daddr;
	segment->ip.daddr = destination;
	segment->ip.tos = 0;
	segment->ip.id = 0;
	segment->ip.frag_off = 0;
	segment->ip.ttl = OUR_TTL;
	segment->ip.tot_len = bpf_htons(sizeof(*segment));
	checksum4(&segment->ip);
	sum = bpf_csum_diff(0, 0, &segment->ip.saddr, 2 * sizeof(segment->ip.saddr), 0);
	sum += bpf_htonl(sizeof(segment->tcp)) + bpf_htonl(IPPROTO_TCP);
	segment->tcp.check = fold_checksum(
		sum + bpf_csum_diff(0, 0, (__be32 *)&segment->tcp, sizeof(segment->tcp), 0));
	if (bpf_skb_change_tail(skb, L3_OFFSET + sizeof(*segment), 0))
		return -1;
	return bpf_skb_store_bytes(
		skb, L3_OFFSET, segment, sizeof(*segment), BPF_F_INVALIDATE_HASH);
}

static __noinline int become_reset6(struct __sk_buff *skb)
{
	struct segment6 *segment = new_answer();
	struct in6_addr destination;

	if (!segment || bpf_skb_load_bytes(skb, L3_OFFSET, segment, sizeof(*segment)) ||
		segment->ip.nexthdr != IPPROTO_TCP)
		return -1;
	become_reset(&segment->tcp, bpf_ntohs(segment->ip.payload_len));
	destination = segment->ip.saddr;
	segment->ip.saddr = segment->ip.daddr;
	segment->ip.daddr = destination;
	segment->ip.hop_limit = OUR_TTL;
	segment->ip.payload_len = bpf_htons(sizeof(segment->tcp));
	segment->tcp.check = fold_checksum(
		pseudo_sum6(&segment->ip, sizeof(segment->tcp), IPPROTO_TCP) +
		bpf_csum_diff(0, 0, (__be32 *)&segment->tcp, sizeof(segment->tcp), 0));
	if (bpf_skb_change_tail(skb, L3_OFFSET + sizeof(*segment), 0))
		return -1;
	return bpf_skb_store_bytes(
		skb, L3_OFFSET, segment, sizeof(*segment), BPF_F_INVALIDATE_HASH);
}

#endif
