/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Drops and traces: counted always, told to user space through the ring buffer within a budget. */
#ifndef TSI_LIB_EVENT_H
#define TSI_LIB_EVENT_H

#include "lib/metrics.h"
#include "lib/packet.h"
#include "maps/event.h"
#include "maps/runtime.h"

#define NSEC_PER_SEC 1000000000ULL

/* What an event says besides the packet itself, packed so that it passes in registers. */
union event_subject {
	struct {
		__u8 kind;
		__u8 code;
		__u8 direction;
		__u8 reply;
		__u16 endpoint_id;
		__u16 reserved;
	};
	__u64 packed;
};

/* Whether this CPU may send one more event now. The budget keeps a flood of drops from becoming a
 * flood of work in user space; what exceeds it is counted.
 */
static __always_inline bool within_budget(struct event_rate *rate)
{
	__u64 now = bpf_ktime_get_coarse_ns();

	if (now - rate->window_ns >= NSEC_PER_SEC) {
		rate->window_ns = now;
		rate->sent = 0;
	}
	return rate->sent++ < events_per_second;
}

/* Out of line: it is the slow path of every program, and its frame would crowd theirs. */
static __noinline int send_event(struct __sk_buff *skb, __u64 subject_packed, __u32 source_identity,
	__u32 destination_identity, __u32 rule)
{
	union event_subject subject = {.packed = subject_packed};
	__u32 zero = 0;
	struct event_rate *rate = bpf_map_lookup_elem(&tsi_event_rate, &zero);
	struct event *event;
	__u32 last;

	if (!rate)
		return 0;
	event = within_budget(rate) ? bpf_ringbuf_reserve(&tsi_events, sizeof(*event), 0) : 0;
	if (!event) {
		rate->lost++;
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->header.timestamp_ns = bpf_ktime_get_boot_ns();
	event->header.packet_length = skb->len;
	event->header.ifindex = skb->ifindex;
	event->header.source_identity = source_identity;
	event->header.destination_identity = destination_identity;
	event->header.rule = rule;
	event->header.lost = rate->lost;
	event->header.endpoint_id = subject.endpoint_id;
	event->header.kind = subject.kind;
	event->header.code = subject.code;
	event->header.direction = subject.direction;
	event->header.reply = subject.reply;
	/* Verifier trick (6.1): it wants to see a length that is not zero in the register that is
	 * used. Bounded as the last byte's offset, and one added after the check, it is.
	 */
	last = (skb->len < EVENT_PACKET_BYTES ? skb->len : EVENT_PACKET_BYTES) - 1;
	barrier_var(last);
	if (last < EVENT_PACKET_BYTES && !bpf_skb_load_bytes(skb, 0, event->packet, last + 1))
		event->header.captured_length = last + 1;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

static __always_inline void tell(const struct packet *pkt, enum event_kind kind, __u8 code)
{
	union event_subject subject = {
		.kind = kind,
		.code = code,
		.direction = pkt->direction,
		.reply = pkt->is_reply,
		.endpoint_id = pkt->endpoint_id,
	};

	send_event(pkt->skb, subject.packed, pkt->source_identity, pkt->destination_identity,
		pkt->rule);
}

/* Counts and tells a drop without deciding who performs it (see expired()). */
static __always_inline void record_drop(const struct packet *pkt, enum drop_reason reason)
{
	count(pkt->skb, reason, pkt->direction);
	tell(pkt, EVENT_DROP, reason);
}

/* The only way a packet is dropped. */
static __always_inline int drop(const struct packet *pkt, enum drop_reason reason)
{
	record_drop(pkt, reason);
	return TC_ACT_SHOT;
}

/* A packet that its destination on this link takes in and answers with silence: not a drop. */
static __always_inline int absorb(const struct packet *pkt)
{
	count(pkt->skb, METRIC_ABSORBED, pkt->direction);
	return TC_ACT_SHOT;
}

/* Every packet that goes on passes here once per program. */
static __always_inline void forwarded(const struct packet *pkt, enum trace_point point)
{
	__u32 zero = 0;
	struct runtime *runtime = bpf_map_lookup_elem(&tsi_runtime, &zero);

	count(pkt->skb, METRIC_FORWARDED, pkt->direction);
	if (runtime && unlikely(runtime->trace))
		tell(pkt, EVENT_TRACE, point);
}

/* Hands the packet to the kernel's stack: to the node itself, or to be routed by it. */
static __always_inline int to_stack(const struct packet *pkt, enum trace_point point)
{
	forwarded(pkt, point);
	return TC_ACT_OK;
}

#endif
