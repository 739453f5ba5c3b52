/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One entry per connection, found by packets of either direction with one lookup once it is established.
 *
 *            first packet              reply                    FIN both ways, or RST
 *   (none) ---------------> NEW (60 s) --------> ESTABLISHED ------------------------> CLOSING (10 s)
 *      |   TCP without SYN                         (8000 s)                                |
 *      +-----------------------------------------> ^             bare SYN                  |
 *                           NEW <----------------------------------------------------------+
 *
 * Everything but TCP lives 60 s from its last packet. An entry begins in tsi_ct*_new and moves to
 * tsi_ct* when the side that opened the connection speaks again after an answer.
 */
#ifndef TSI_LIB_CONNTRACK_H
#define TSI_LIB_CONNTRACK_H

#include "lib/connection.h"
#include "lib/conntrack_entry.h"
#include "lib/conntrack_key.h"
#include "lib/packet.h"
#include "lib/proxy.h"
#include "maps/runtime.h"

static __always_inline struct segment segment_of(const struct packet *pkt, bool source_high)
{
	return (struct segment){
		.protocol = pkt->protocol,
		.tcp_flags = pkt->tcp_flags,
		.source_high = source_high,
	};
}

/* ICMP that is no ping and no error about a flow has nothing to be remembered by: every message is
 * judged by its type.
 */
static __always_inline bool is_remembered(const struct packet *pkt)
{
	if (likely(!is_icmp(pkt->family, pkt->protocol)))
		return true;
	return pkt->icmp_error || pkt->fragment == FRAGMENT_LATER ||
	       is_echo_request(pkt->family, pkt->icmp_type) ||
	       is_echo_reply(pkt->family, pkt->icmp_type);
}

/* Verifier trick (6.1): whether a trace is due must not make two packets of one, each with a way of its own to the end of the
 * program (a million instructions instead of a quarter). Read from a map, it is just a number.
 */
static __always_inline void read_trace(struct packet *pkt, const struct flow *flow)
{
	pkt->trace = *(const volatile __u8 *)&flow->trace;
}

/* The rest of track(), out of the fast path. 0, or the drop reason. */
static __always_inline int track_slowly(
	struct packet *pkt, struct flow *flow, bool known_reply, __u32 epoch)
{
	int reason;

	flow_of(pkt, flow);
	flow->known_reply = known_reply;
	flow->remembered = is_remembered(pkt);
	flow->epoch = epoch;
	reason = recall();
	if (reason == FLOW_UNDECIDED) {
		if (flow->state != FLOW_STALE && may_be_for_proxy(pkt) &&
			is_of_proxy(pkt->skb, handed(pkt).packed)) {
			pkt->is_reply = true;
			pkt->proxy_port = PROXY_CONNECTED;
			pkt->trace = due_by_flags(pkt, TRACE_REASON_REPLY);
			return 0;
		}
		reason = decide(pkt->skb);
		if (!reason)
			reason = remember();
	}
	pkt->is_reply = flow->is_reply;
	pkt->reply_frontend = flow->reply_frontend;
	pkt->proxy_port = flow->is_reply ? 0 : flow->proxy_port;
	read_trace(pkt, flow);
	if (likely(!reason))
		return 0;
	/* The drop is that end's whose policy it was. */
	pkt->direction = flow->direction;
	pkt->endpoint_id = flow->endpoint_id;
	pkt->response = flow->response;
	pkt->rule = flow->rule;
	return reason;
}

/* Finds or opens the packet's connection and has it judged where that is due. 0, or the drop
 * reason. known_reply: something else (a NAT mapping) proves the packet to be a reply, so that if
 * its entry was evicted, the new one has its ends the right way round.
 */
static __always_inline int track(struct packet *pkt, bool known_reply)
{
	/* There, since the stack is short. */
	struct flow *flow = this_flow();
	struct segment segment;
	struct conntrack_entry *entry;
	struct runtime *runtime;
	__u32 epoch, zero = 0;
	__u64 now = bpf_ktime_get_coarse_ns();

	if (!is_tracked(pkt))
		return DROP_UNKNOWN_L4;
	runtime = bpf_map_lookup_elem(&tsi_runtime, &zero);
	if (!runtime || !flow)
		return DROP_NO_CONFIG;
	/* Before the entry: a writer moves it last, so an entry stored with the older epoch is
	 * judged once more, never once less.
	 */
	epoch = *(volatile __u32 *)&runtime->epoch;
	segment = segment_of(pkt, conntrack_key(pkt, &flow->key));
	flow->source_high = segment.source_high;
	entry = conntrack_find(pkt->family, &flow->key);
	if (likely(!pkt->icmp_error && is_remembered(pkt) && belongs(&segment, entry, now) &&
		    entry->epoch == epoch &&
		    (!pkt->frontend || pkt->frontend == entry->frontend))) {
		pkt->is_reply = segment.is_reply;
		pkt->reply_frontend = segment.is_reply ? entry->frontend : 0;
		pkt->proxy_port = segment.is_reply ? 0 : entry->proxy_port;
		refresh(&segment, entry, now);
		flow->trace = trace_of(&segment, entry, now);
		read_trace(pkt, flow);
		return 0;
	}
	return track_slowly(pkt, flow, known_reply, epoch);
}

/* The entry of the connection that the packet answers; 0: of none that is remembered. */
static __always_inline struct conntrack_entry *find_answered(
	const struct packet *pkt, struct segment *segment, __u64 now)
{
	union conntrack_key key;
	struct conntrack_entry *entry;

	*segment = segment_of(pkt, conntrack_key(pkt, &key));
	entry = find_connection(pkt->family, &key, segment, now);
	return entry && segment->is_reply ? entry : 0;
}

static __always_inline bool is_known_reply(const struct packet *pkt)
{
	struct segment segment;

	return find_answered(pkt, &segment, bpf_ktime_get_coarse_ns());
}

/* The same of a packet with a pod's address that the node's stack sends to elsewhere. What a proxy answers in the pod's place passes no
 * other hook: here its connection's entry hears that it was answered, and that it ended.
 */
static __always_inline struct conntrack_entry *note_answer_for_pod(const struct packet *pkt)
{
	struct segment segment;
	__u64 now = bpf_ktime_get_coarse_ns();
	struct conntrack_entry *entry = find_answered(pkt, &segment, now);

	if (entry && entry->proxy_port && !pkt->icmp_error)
		refresh(&segment, entry, now);
	return entry;
}

#endif
