/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a packet does to the entry of its connection. */
#ifndef TSI_LIB_CONNTRACK_ENTRY_H
#define TSI_LIB_CONNTRACK_ENTRY_H

#include "lib/conntrack_key.h"
#include "lib/event.h"
#include "lib/packet.h"
#include "maps/conntrack.h"

#define CONNTRACK_CLOSED (CONNTRACK_ORIGIN_CLOSED | CONNTRACK_REPLY_CLOSED)

/* A packet as connection tracking sees it. */
struct segment {
	__u8 protocol;
	__u8 tcp_flags;
	/* Its source is the key's high end. */
	bool source_high;
	bool is_reply;
};

static __always_inline bool is_bare_syn(const struct segment *segment)
{
	return segment->protocol == IPPROTO_TCP &&
	       (segment->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

static __always_inline __u64 lifetime_ns(const struct segment *segment)
{
	if (segment->protocol != IPPROTO_TCP)
		return ct_lifetime_any * NSEC_PER_SEC;
	if (segment->tcp_flags & TCP_SYN)
		return ct_lifetime_tcp_syn * NSEC_PER_SEC;
	return ct_lifetime_tcp * NSEC_PER_SEC;
}

static __always_inline __u16 closing_flags(const struct segment *segment)
{
	if (segment->protocol != IPPROTO_TCP)
		return 0;
	if (segment->tcp_flags & TCP_RST)
		return CONNTRACK_CLOSED;
	if (segment->tcp_flags & TCP_FIN)
		return segment->is_reply ? CONNTRACK_REPLY_CLOSED : CONNTRACK_ORIGIN_CLOSED;
	return 0;
}

/* Writes only what changed, and the deadline at most once a second: both directions' CPUs share the
 * entry's cache line.
 */
static __always_inline void refresh(
	const struct segment *segment, struct conntrack_entry *entry, __u64 now)
{
	__u16 flags = entry->flags | closing_flags(segment);
	__u64 deadline;

	if (segment->is_reply)
		flags |= CONNTRACK_SEEN_REPLY;
	if (unlikely(flags != entry->flags))
		entry->flags = flags;
	if (unlikely((flags & CONNTRACK_CLOSED) == CONNTRACK_CLOSED)) {
		deadline = now + ct_lifetime_tcp_fin * NSEC_PER_SEC;
		if (deadline < entry->expires_ns)
			entry->expires_ns = deadline;
		return;
	}
	deadline = now + lifetime_ns(segment);
	if ((__s64)(deadline - entry->expires_ns) > (__s64)NSEC_PER_SEC)
		entry->expires_ns = deadline;
}

#define TRACE_TICK_SHIFT 30

/* Never 0: that is "not yet". */
static __always_inline __u16 trace_tick(__u64 now)
{
	return now >> TRACE_TICK_SHIFT & 0xffff ?: 1;
}

static __always_inline __u16 told_flags(const struct segment *segment)
{
	__u16 flags = segment->tcp_flags & trace_flags & 0x1f;

	return flags << (segment->is_reply ? CONNTRACK_REPLY_TOLD_SHIFT
					   : CONNTRACK_ORIGIN_TOLD_SHIFT);
}

/* At TRACE_CONNECTIONS: whether a trace of this packet is due; if so, it counts as told. */
static __always_inline bool is_due(
	const struct segment *segment, struct conntrack_entry *entry, __u64 now)
{
	__u16 told = segment->is_reply ? entry->reply_told : entry->origin_told;
	__u16 tick = trace_tick(now), flags = told_flags(segment);

	if (likely(!(flags & ~entry->flags) && told && (__u16)(tick - told) < trace_interval))
		return false;
	entry->flags |= flags;
	if (segment->is_reply)
		entry->reply_told = tick;
	else
		entry->origin_told = tick;
	return true;
}

/* See struct packet. */
static __always_inline __u8 trace_of(
	const struct segment *segment, struct conntrack_entry *entry, __u64 now)
{
	__u8 reason = segment->is_reply ? TRACE_REASON_REPLY : TRACE_REASON_ESTABLISHED;

	return trace_level() == TRACE_CONNECTIONS && is_due(segment, entry, now)
		       ? TRACE_DUE | reason
		       : reason;
}

/* Whether the packet belongs to what the entry remembers; sets is_reply. A bare SYN opens a
 * connection: it is nobody's reply, and on a closed connection it is the next one's first packet.
 */
static __always_inline bool belongs(
	struct segment *segment, const struct conntrack_entry *entry, __u64 now)
{
	if (!entry || entry->expires_ns < now)
		return false;
	segment->is_reply = segment->source_high != !!(entry->flags & CONNTRACK_ORIGIN_HIGH);
	if (unlikely(is_bare_syn(segment)) &&
		(segment->is_reply || (entry->flags & CONNTRACK_CLOSED) == CONNTRACK_CLOSED)) {
		segment->is_reply = false;
		return false;
	}
	return true;
}

/* The entry of the packet's connection, in either table; sets is_reply. 0: there is none. */
static __always_inline struct conntrack_entry *find_connection(
	enum family family, const union conntrack_key *key, struct segment *segment, __u64 now)
{
	struct conntrack_entry *entry = conntrack_find(family, key);

	if (belongs(segment, entry, now))
		return entry;
	entry = conntrack_find_new(family, key);
	return belongs(segment, entry, now) ? entry : 0;
}

#endif
