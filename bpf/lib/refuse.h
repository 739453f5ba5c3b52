/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the sender of a denied packet hears, where a policy wants it to hear something: the packet is turned
 * into the answer, and its program sends it back the way it came.
 */
#ifndef TSI_LIB_REFUSE_H
#define TSI_LIB_REFUSE_H

#include "lib/event.h"
#include "lib/packet.h"
#include "lib/refuse_icmp.h"
#include "lib/refuse_reset.h"
#include "maps/policy.h"
#include "maps/refusal.h"

static __always_inline bool may_refuse(void)
{
	__u32 zero = 0;
	struct refusal_rate *rate = bpf_map_lookup_elem(&tsi_refusal_rate, &zero);
	__u64 now = bpf_ktime_get_coarse_ns();

	if (!rate)
		return false;
	if (now - rate->window_ns >= NSEC_PER_SEC) {
		rate->window_ns = now;
		rate->sent = 0;
	}
	return rate->sent++ < refusals_per_second;
}

/* 0 when the frame's ends are exchanged. */
static __always_inline int turn_frame(struct __sk_buff *skb)
{
	__u8 ends[2 * ETH_ALEN], turned[2 * ETH_ALEN];

	if (bpf_skb_load_bytes(skb, 0, ends, sizeof(ends)))
		return -1;
	__builtin_memcpy(turned, ends + ETH_ALEN, ETH_ALEN);
	__builtin_memcpy(turned + ETH_ALEN, ends, ETH_ALEN);
	return bpf_skb_store_bytes(skb, 0, turned, sizeof(turned), 0);
}

/* What the answer depends on, packed so that it passes in a register. */
union denied_packet {
	struct {
		__u8 response;
		__u8 family;
		__u8 protocol;
		__u8 tcp_flags;
		__u8 icmp_error;
		__u8 fragment;
		__u16 mtu;
	};
	__u64 packed;
};

/* Errors and resets are never answered (RFC 1122 3.2.2, RFC 9293 3.10.7.1), nor is what cannot be quoted
 * by its first fragment.
 */
static __always_inline bool is_answerable(const union denied_packet *denied)
{
	if (denied->icmp_error || denied->fragment == FRAGMENT_LATER)
		return false;
	return denied->protocol != IPPROTO_TCP || !(denied->tcp_flags & TCP_RST);
}

/* 0 when the packet has become its answer, on its way back. A global function, verified once by itself. */
__noinline int become_answer(struct __sk_buff *skb, __u64 packed)
{
	union denied_packet denied = {.packed = packed};
	bool reset =
		denied.protocol == IPPROTO_TCP &&
		(denied.response == POLICY_RESPONSE_RST || denied.response == REFUSAL_NO_SERVICE);
	int failed;

	if (!is_answerable(&denied) || !may_refuse())
		return -1;
	if (denied.family == IPV4)
		failed =
			reset ? become_reset4(skb) : become_icmp4(skb, denied.response, denied.mtu);
	else
		failed =
			reset ? become_reset6(skb) : become_icmp6(skb, denied.response, denied.mtu);
	return failed ? failed : turn_frame(skb);
}

/* Drops a packet that was judged. Whether an answer took its place, which the caller then sends back:
 * its source is what the packet's destination was, and its frame goes the other way.
 */
static __always_inline bool refuse(const struct packet *pkt, int reason)
{
	union denied_packet denied = {
		.response = pkt->response,
		.family = pkt->family,
		.protocol = pkt->protocol,
		.tcp_flags = pkt->tcp_flags,
		.icmp_error = pkt->icmp_error,
		.fragment = pkt->fragment,
		.mtu = pkt->mtu,
	};

	record_drop(pkt, reason);
	if (likely(pkt->response == POLICY_RESPONSE_DROP))
		return false;
	return !become_answer(pkt->skb, denied.packed);
}

#endif
