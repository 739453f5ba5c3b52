/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Out of the node by its routes, but past its stack, which takes what comes with one of its own addresses for forged. */
#ifndef TSI_LIB_LEAVE_H
#define TSI_LIB_LEAVE_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stddef.h>
#include "lib/deliver.h"
#include "lib/event.h"
#include "lib/packet.h"

/* skb->mark of packets that to_netdev is to leave as they are (Cilium's value, and its mask). */
#define MARK_TRANSLATED 0x0300
#define MARK_MASK 0x0f00

static __always_inline bool is_translated(const struct __sk_buff *skb)
{
	return (skb->mark & MARK_MASK) == MARK_TRANSLATED;
}

static __always_inline void set_translated(struct __sk_buff *skb)
{
	skb->mark = (skb->mark & ~MARK_MASK) | MARK_TRANSLATED;
}

static __always_inline int fib_question4(struct __sk_buff *skb, struct bpf_fib_lookup *fib)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, L3_OFFSET, &ip, sizeof(ip)))
		return -1;
	fib->family = AF_INET;
	fib->l4_protocol = ip.protocol;
	fib->ipv4_src = ip.saddr;
	fib->ipv4_dst = ip.daddr;
	return 0;
}

static __always_inline int fib_question6(struct __sk_buff *skb, struct bpf_fib_lookup *fib)
{
	fib->family = AF_INET6;
	return bpf_skb_load_bytes(skb, L3_OFFSET + offsetof(struct ipv6hdr, saddr), fib->ipv6_src,
		sizeof(fib->ipv6_src) + sizeof(fib->ipv6_dst));
}

/* The device that a packet is to leave by, 0: there is no way. Sizes are checked where it is sent. A global function, with a
 * frame of its own.
 */
__noinline __u32 route_of(struct __sk_buff *skb, __u32 ipv4)
{
	struct bpf_fib_lookup fib = {.ifindex = skb->ifindex};
	long result;

	if (ipv4 ? fib_question4(skb, &fib) : fib_question6(skb, &fib))
		return 0;
	result = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (result != BPF_FIB_LKUP_RET_SUCCESS && result != BPF_FIB_LKUP_RET_NO_NEIGH &&
		result != BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return 0;
	return fib.ifindex;
}

/* Sends the packet as it is where its own header's route leads. */
static __always_inline int by_route(const struct packet *pkt)
{
	__u32 ifindex = route_of(pkt->skb, pkt->family == IPV4);

	if (unlikely(!ifindex))
		return drop(pkt, DROP_NO_ROUTE);
	set_translated(pkt->skb);
	forwarded(pkt, TRACE_TO_NETWORK);
	return bpf_redirect_neigh(ifindex, 0, 0, 0);
}

/* One hop further, as a router. */
static __always_inline int to_network(const struct packet *pkt)
{
	int reason;

	if (unlikely(pkt->hops <= 1))
		return drop(pkt, DROP_TTL_EXCEEDED);
	reason = route_one_hop(pkt);
	return unlikely(reason) ? drop(pkt, reason) : by_route(pkt);
}

#endif
