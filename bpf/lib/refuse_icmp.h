/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A denied packet becomes the ICMP error about itself. */
#ifndef TSI_LIB_REFUSE_ICMP_H
#define TSI_LIB_REFUSE_ICMP_H

#include "lib/checksum.h"
#include "lib/icmp.h"
#include "lib/packet.h"
#include "maps/refusal.h"

/* RFC 792, RFC 1812 5.2.7.1, RFC 1191. */
#define ICMP4_PORT_UNREACHABLE 3
#define ICMP4_FRAGMENTATION_NEEDED 4
#define ICMP4_ADMIN_PROHIBITED 13
/* RFC 4443 3.1, 3.2. */
#define ICMP6_UNREACHABLE 1
#define ICMP6_TOO_BIG 2
#define ICMP6_ADMIN_PROHIBITED 1
#define ICMP6_PORT_UNREACHABLE 4
/* Of the packet that is quoted: its IP header and, the most that the kernel must find intact there, a TCP
 * header (it will not cut off the field of a checksum that is yet to be filled in).
 */
#define QUOTED_L4 20

struct icmp_refusal4 {
	struct iphdr ip;
	struct icmp_head icmp;
	__u8 quoted[sizeof(struct iphdr) + QUOTED_L4];
};

struct icmp_refusal6 {
	struct ipv6hdr ip;
	struct icmp_head icmp;
	__u8 quoted[sizeof(struct ipv6hdr) + QUOTED_L4];
};

/* Reads what is quoted of a packet whose IP header has this many bytes: up to the most, or the eight bytes
 * behind the header that RFC 792 asks for. Constants, since 6.1 does not follow a length through its bounds.
 * 0: not even that.
 */
static __always_inline __u32 quote(struct __sk_buff *skb, void *quoted, const __u32 header)
{
	if (!bpf_skb_load_bytes(skb, L3_OFFSET, quoted, header + QUOTED_L4))
		return header + QUOTED_L4;
	return bpf_skb_load_bytes(skb, L3_OFFSET, quoted, header + 8) ? 0 : header + 8;
}

/* Type, code and, of an error about the size, the MTU in the last two bytes of the head (RFC 1191 4). */
static __always_inline struct icmp_head refusal_head4(__u8 response, __u16 mtu)
{
	struct icmp_head head = {.type = ICMP4_UNREACHABLE, .code = ICMP4_ADMIN_PROHIBITED};

	if (response == REFUSAL_NO_SERVICE)
		head.code = ICMP4_PORT_UNREACHABLE;
	if (response == REFUSAL_TOO_BIG) {
		head.code = ICMP4_FRAGMENTATION_NEEDED;
		head.sequence = bpf_htons(mtu);
	}
	return head;
}

/* The MTU has 32 bits here (RFC 4443 3.2), of which links use 16. */
static __always_inline struct icmp_head refusal_head6(__u8 response, __u16 mtu)
{
	struct icmp_head head = {.type = ICMP6_UNREACHABLE, .code = ICMP6_ADMIN_PROHIBITED};

	if (response == REFUSAL_NO_SERVICE)
		head.code = ICMP6_PORT_UNREACHABLE;
	if (response == REFUSAL_TOO_BIG) {
		head.type = ICMP6_TOO_BIG;
		head.code = 0;
		head.sequence = bpf_htons(mtu);
	}
	return head;
}

static __noinline int become_icmp4(struct __sk_buff *skb, __u8 response, __u16 mtu)
{
	struct icmp_refusal4 *refusal = new_answer();
	struct iphdr *quoted;
	__u32 length;

	if (!refusal)
		return -1;
	quoted = (struct iphdr *)refusal->quoted;
	length = quote(skb, refusal->quoted, sizeof(*quoted));
	/* The quote may be shorter than its room; what is missing is zero, to the checksum too. */
	if (!length)
		return -1;
	refusal->ip.version = 4;
	refusal->ip.ihl = 5;
	refusal->ip.ttl = OUR_TTL;
	refusal->ip.protocol = IPPROTO_ICMP;
	refusal->ip.tot_len = bpf_htons(sizeof(refusal->ip) + sizeof(refusal->icmp) + length);
	refusal->ip.saddr = quoted->daddr;
	refusal->ip.daddr = quoted->saddr;
	checksum4(&refusal->ip);
	refusal->icmp = refusal_head4(response, mtu);
	refusal->icmp.checksum = fold_checksum(bpf_csum_diff(0, 0, (__be32 *)&refusal->icmp,
		sizeof(refusal->icmp) + sizeof(refusal->quoted), 0));
	if (bpf_skb_change_tail(skb, L3_OFFSET + length, 0) ||
		bpf_skb_adjust_room(
			skb, sizeof(refusal->ip) + sizeof(refusal->icmp), BPF_ADJ_ROOM_MAC, 0))
		return -1;
	return bpf_skb_store_bytes(skb, L3_OFFSET, refusal,
		sizeof(refusal->ip) + sizeof(refusal->icmp), BPF_F_INVALIDATE_HASH);
}

static __noinline int become_icmp6(struct __sk_buff *skb, __u8 response, __u16 mtu)
{
	struct icmp_refusal6 *refusal = new_answer();
	struct ipv6hdr *quoted;
	__u32 length;
	__s64 sum;

	if (!refusal)
		return -1;
	quoted = (struct ipv6hdr *)refusal->quoted;
	length = quote(skb, refusal->quoted, sizeof(*quoted));
	if (!length)
		return -1;
	refusal->ip.version = 6;
	refusal->ip.hop_limit = OUR_TTL;
	refusal->ip.nexthdr = IPPROTO_ICMPV6;
	refusal->ip.payload_len = bpf_htons(sizeof(refusal->icmp) + length);
	refusal->ip.saddr = quoted->daddr;
	refusal->ip.daddr = quoted->saddr;
	refusal->icmp = refusal_head6(response, mtu);
	sum = pseudo_sum6(&refusal->ip, sizeof(refusal->icmp) + length, IPPROTO_ICMPV6);
	refusal->icmp.checksum =
		fold_checksum(sum + bpf_csum_diff(0, 0, (__be32 *)&refusal->icmp,
					    sizeof(refusal->icmp) + sizeof(refusal->quoted), 0));
	if (bpf_skb_change_tail(skb, L3_OFFSET + length, 0) ||
		bpf_skb_adjust_room(
			skb, sizeof(refusal->ip) + sizeof(refusal->icmp), BPF_ADJ_ROOM_MAC, 0))
		return -1;
	return bpf_skb_store_bytes(skb, L3_OFFSET, refusal,
		sizeof(refusal->ip) + sizeof(refusal->icmp), BPF_F_INVALIDATE_HASH);
}

#endif
