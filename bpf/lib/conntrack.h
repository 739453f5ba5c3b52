/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One entry per connection, found by packets of either direction with one lookup.
 *
 *            first packet              reply                    FIN both ways, or RST
 *   (none) ---------------> NEW (60 s) --------> ESTABLISHED ------------------------> CLOSING (10 s)
 *      |   TCP without SYN                         (8000 s)                                |
 *      +-----------------------------------------> ^             bare SYN                  |
 *                           NEW <----------------------------------------------------------+
 *
 * Everything but TCP lives 60 s from its last packet.
 */
#ifndef TSI_LIB_CONNTRACK_H
#define TSI_LIB_CONNTRACK_H

#include "lib/conntrack_key.h"
#include "lib/event.h"
#include "lib/packet.h"
#include "lib/policy.h"
#include "maps/conntrack.h"
#include "maps/runtime.h"

#define CONNTRACK_CLOSED (CONNTRACK_ORIGIN_CLOSED | CONNTRACK_REPLY_CLOSED)

static __always_inline bool is_bare_syn(const struct packet *pkt)
{
	return pkt->protocol == IPPROTO_TCP &&
	       (pkt->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

static __always_inline __u64 lifetime_ns(const struct packet *pkt)
{
	if (pkt->protocol != IPPROTO_TCP)
		return ct_lifetime_any * NSEC_PER_SEC;
	if (pkt->tcp_flags & TCP_SYN)
		return ct_lifetime_tcp_syn * NSEC_PER_SEC;
	return ct_lifetime_tcp * NSEC_PER_SEC;
}

static __always_inline __u16 closing_flags(const struct packet *pkt)
{
	if (pkt->protocol != IPPROTO_TCP)
		return 0;
	if (pkt->tcp_flags & TCP_RST)
		return CONNTRACK_CLOSED;
	if (pkt->tcp_flags & TCP_FIN)
		return pkt->is_reply ? CONNTRACK_REPLY_CLOSED : CONNTRACK_ORIGIN_CLOSED;
	return 0;
}

/* Writes only what changed, and the deadline at most once a second: both directions' CPUs share the
 * entry's cache line.
 */
static __always_inline void refresh(
	const struct packet *pkt, struct conntrack_entry *entry, __u64 now)
{
	__u16 flags = entry->flags | closing_flags(pkt);
	__u64 deadline;

	if (pkt->is_reply)
		flags |= CONNTRACK_SEEN_REPLY;
	if (unlikely(flags != entry->flags))
		entry->flags = flags;
	if (unlikely((flags & CONNTRACK_CLOSED) == CONNTRACK_CLOSED)) {
		deadline = now + ct_lifetime_tcp_fin * NSEC_PER_SEC;
		if (deadline < entry->expires_ns)
			entry->expires_ns = deadline;
		return;
	}
	deadline = now + lifetime_ns(pkt);
	if ((__s64)(deadline - entry->expires_ns) > (__s64)NSEC_PER_SEC)
		entry->expires_ns = deadline;
}

/* Whether the packet belongs to what the entry remembers; sets is_reply. A bare SYN opens a
 * connection: it is nobody's reply, and on a closed connection it is the next one's first packet.
 */
static __always_inline bool belongs(
	struct packet *pkt, const struct conntrack_entry *entry, bool source_high, __u64 now)
{
	if (!entry || entry->expires_ns < now)
		return false;
	pkt->is_reply = source_high != !!(entry->flags & CONNTRACK_ORIGIN_HIGH);
	if (unlikely(is_bare_syn(pkt)) &&
		(pkt->is_reply || (entry->flags & CONNTRACK_CLOSED) == CONNTRACK_CLOSED)) {
		pkt->is_reply = false;
		return false;
	}
	return true;
}

/* 0, or the drop reason. */
static __always_inline int open_connection(struct packet *pkt, const union conntrack_key *key,
	bool origin_high, __u32 epoch, __u64 now)
{
	struct decision decision;
	struct conntrack_entry entry = {};
	int reason = decide(pkt, &decision);

	/* An error about a flow that nobody remembers is judged, but opens nothing. */
	if (reason || pkt->icmp_error)
		return reason;
	entry.expires_ns = now + lifetime_ns(pkt);
	entry.epoch = epoch;
	entry.origin_identity = pkt->is_reply ? pkt->destination_identity : pkt->source_identity;
	entry.reply_identity = pkt->is_reply ? pkt->source_identity : pkt->destination_identity;
	entry.rule = decision.rule;
	entry.proxy_port = decision.proxy_port;
	entry.flags = (origin_high ? CONNTRACK_ORIGIN_HIGH : 0) | closing_flags(pkt);
	if (pkt->is_reply)
		entry.flags |= CONNTRACK_SEEN_REPLY;
	return conntrack_insert(pkt, key, &entry) ? DROP_CONNTRACK_FULL : 0;
}

/* Finds or opens the packet's connection and has it judged where that is due. 0, or the drop
 * reason. known_reply: something else (a NAT mapping) proves the packet to be a reply, so that if
 * its entry was evicted, the new one has its ends the right way round.
 */
static __always_inline int track(struct packet *pkt, const bool known_reply)
{
	union conntrack_key key;
	struct conntrack_entry *entry;
	struct decision decision;
	struct runtime *runtime;
	bool source_high;
	__u32 epoch, zero = 0;
	__u64 now = bpf_ktime_get_coarse_ns();
	int reason;

	if (!is_tracked(pkt))
		return DROP_UNKNOWN_L4;
	runtime = bpf_map_lookup_elem(&tsi_runtime, &zero);
	if (!runtime)
		return DROP_NO_CONFIG;
	/* Before the entry: a writer moves it last, so an entry stored with the older epoch is
	 * judged once more, never once less.
	 */
	epoch = runtime->epoch;
	source_high = conntrack_key(pkt, &key);
	entry = conntrack_find(pkt, &key);
	if (unlikely(!belongs(pkt, entry, source_high, now))) {
		pkt->is_reply = known_reply;
		return open_connection(pkt, &key, source_high != known_reply, epoch, now);
	}
	if (unlikely(entry->epoch != epoch)) {
		reason = decide(pkt, &decision);
		if (reason)
			return reason;
		entry->rule = decision.rule;
		entry->proxy_port = decision.proxy_port;
		entry->epoch = epoch;
	}
	if (likely(!pkt->icmp_error))
		refresh(pkt, entry, now);
	return 0;
}

#endif
