/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Drops and traces: counted always, told to user space through the ring buffer within a budget. */
#ifndef TSI_LIB_EVENT_H
#define TSI_LIB_EVENT_H

#include "lib/metrics.h"
#include "lib/packet.h"
#include "maps/event.h"
#include "maps/runtime.h"

#define NSEC_PER_SEC 1000000000ULL

/* What an event says besides the packet itself, in two registers: functions that are called have no stack to spare. */
struct event_subject {
	enum event_kind kind;
	__u8 code;
	enum direction direction;
	bool reply;
	__u16 endpoint_id;
	enum trace_reason reason;
	__u16 proxy_port;
};

static __always_inline __u64 pack_subject(struct event_subject subject)
{
	return subject.kind | (__u64)subject.code << 8 | (__u64)subject.direction << 16 |
	       (__u64)subject.reply << 20 | (__u64)subject.reason << 24 |
	       (__u64)subject.endpoint_id << 32 | (__u64)subject.proxy_port << 48;
}

static __always_inline void unpack_subject(struct event_header *header, __u64 packed)
{
	header->kind = packed;
	header->code = packed >> 8;
	header->direction = packed >> 16 & 0xf;
	header->reply = packed >> 20 & 0xf;
	header->reason = packed >> 24;
	header->endpoint_id = packed >> 32;
	header->proxy_port = packed >> 48;
}

static __always_inline __u64 pack(__u32 low, __u32 high)
{
	return low | (__u64)high << 32;
}

static __always_inline enum event_class class_of(__u64 subject)
{
	return (__u8)subject == EVENT_TRACE ? EVENTS_TRACES : EVENTS_VERDICTS;
}

/* Whether this CPU may send one more event now. The budget keeps a flood of packets from becoming a
 * flood of work in user space; what exceeds it is counted.
 */
static __always_inline bool within_budget(struct event_rate *rate, __u32 per_second)
{
	__u64 now = bpf_ktime_get_coarse_ns();

	if (now - rate->window_ns >= NSEC_PER_SEC) {
		rate->window_ns = now;
		rate->sent_in_window = 0;
	}
	return rate->sent_in_window++ < per_second;
}

static __always_inline struct event_rate *rate_of(enum event_class class)
{
	__u32 key = class;

	return bpf_map_lookup_elem(&tsi_event_rate, &key);
}

/* Room for a record of size bytes that begins with a header, whose counts are filled in; NULL: it is lost, and counted. */
static __always_inline void *reserve_event(enum event_class class, const __u32 size)
{
	struct event_rate *rate = rate_of(class);
	struct event_header *header = 0;

	if (!rate)
		return 0;
	if (class == EVENTS_TRACES) {
		if (within_budget(rate, traces_per_second))
			header = bpf_ringbuf_reserve(&tsi_traces, size, 0);
	} else if (within_budget(rate, events_per_second)) {
		header = bpf_ringbuf_reserve(&tsi_events, size, 0);
	}
	/* Atomic: a socket's program may be interrupted by one of packets. */
	if (!header) {
		__sync_fetch_and_add(&rate->lost, 1);
		return 0;
	}
	__sync_fetch_and_add(&rate->sent, 1);
	__builtin_memset(header, 0, size);
	header->timestamp_ns = bpf_ktime_get_boot_ns();
	header->lost = rate->lost;
	header->cpu = bpf_get_smp_processor_id();
	return header;
}

/* Out of line: it is the slow path of every program, and its frame would crowd theirs. A global function, verified once by
 * itself and not at each of the many places that drop.
 * subject: pack_subject(); identities: source, destination; cause: rule, frontend.
 */
__noinline int send_event(struct __sk_buff *skb, __u64 subject, __u64 identities, __u64 cause)
{
	struct event *event = reserve_event(class_of(subject), sizeof(*event));
	__u32 last;

	if (!event)
		return 0;
	event->header.packet_length = skb->len;
	event->header.ifindex = skb->ifindex;
	event->header.source_identity = identities;
	event->header.destination_identity = identities >> 32;
	event->header.rule = cause;
	event->header.frontend = cause >> 32;
	unpack_subject(&event->header, subject);
	/* Verifier trick (6.1): it wants to see a length that is not zero in the register that is
	 * used. Bounded as the last byte's offset, and one added after the check, it is.
	 */
	last = (skb->len < EVENT_PACKET_BYTES ? skb->len : EVENT_PACKET_BYTES) - 1;
	barrier_var(last);
	if (last < EVENT_PACKET_BYTES && !bpf_skb_load_bytes(skb, 0, event->packet, last + 1))
		event->header.captured_length = last + 1;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

/* Whose packet it is that an event tells of. */
struct event_place {
	enum direction direction;
	__u16 endpoint_id;
};

static __always_inline struct event_place place_of(const struct packet *pkt)
{
	return (struct event_place){.direction = pkt->direction, .endpoint_id = pkt->endpoint_id};
}

static __always_inline void tell(
	const struct packet *pkt, enum event_kind kind, __u8 code, struct event_place place)
{
	struct event_subject subject = {
		.kind = kind,
		.code = code,
		.direction = place.direction,
		.reply = pkt->is_reply,
		.endpoint_id = place.endpoint_id,
		.reason = pkt->trace & ~TRACE_DUE,
		.proxy_port = pkt->proxy_port,
	};
	__u32 frontend = pkt->reply_frontend ? pkt->reply_frontend : pkt->frontend;

	send_event(pkt->skb, pack_subject(subject),
		pack(pkt->source_identity, pkt->destination_identity), pack(pkt->rule, frontend));
}

/* Counts and tells a drop without deciding who performs it (see expired()). */
static __always_inline void record_drop(const struct packet *pkt, enum drop_reason reason)
{
	count(pkt->skb, reason, pkt->direction);
	tell(pkt, EVENT_DROP, reason, place_of(pkt));
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

static __always_inline __u32 trace_level(void)
{
	__u32 zero = 0;
	struct runtime *runtime = bpf_map_lookup_elem(&tsi_runtime, &zero);

	return runtime ? runtime->trace : TRACE_OFF;
}

/* Every packet that goes on passes here once per program. At TRACE_CONNECTIONS it is told where its connection's tracking
 * found that due.
 */
static __always_inline void forwarded_at(
	const struct packet *pkt, enum trace_point point, struct event_place place)
{
	__u32 zero = 0;
	struct runtime *runtime = bpf_map_lookup_elem(&tsi_runtime, &zero);

	count(pkt->skb, METRIC_FORWARDED, pkt->direction);
	/* Verifier trick (6.1): in this shape. With trace_level() it takes twice as many instructions to verify from_container. */
	if (runtime && runtime->trace && (pkt->trace & TRACE_DUE || runtime->trace >= TRACE_SENT))
		tell(pkt, EVENT_TRACE, point, place);
}

static __always_inline void forwarded(const struct packet *pkt, enum trace_point point)
{
	forwarded_at(pkt, point, place_of(pkt));
}

/* Where a packet comes from, before anything is known of it but its addresses. */
static __always_inline void received(const struct packet *pkt, enum trace_point point)
{
	if (unlikely(trace_level() == TRACE_ALL))
		tell(pkt, EVENT_TRACE, point, place_of(pkt));
}

/* A packet of a connection that this node does not track: those that open or close one are due. */
static __always_inline bool has_told_flags(const struct packet *pkt)
{
	return pkt->protocol == IPPROTO_TCP && pkt->tcp_flags & trace_flags;
}

static __always_inline __u8 due_by_flags(const struct packet *pkt, enum trace_reason reason)
{
	return has_told_flags(pkt) ? reason | TRACE_DUE : reason;
}

/* Hands the packet to the kernel's stack: to the node itself, or to be routed by it. */
static __always_inline int to_stack(const struct packet *pkt, enum trace_point point)
{
	forwarded(pkt, point);
	return TC_ACT_OK;
}

#endif
