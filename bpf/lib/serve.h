/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets for a service's address, and the answers to them. */
#ifndef TSI_LIB_SERVE_H
#define TSI_LIB_SERVE_H

#include "lib/balance.h"
#include "lib/masquerade.h"
#include "lib/packet.h"

/* Only what has ports is balanced: of ICMP, errors about what does. */
static __always_inline bool is_balanced(const struct packet *pkt)
{
	return pkt->protocol == IPPROTO_TCP || pkt->protocol == IPPROTO_UDP ||
	       pkt->protocol == PROTOCOL_SCTP;
}

static __always_inline union v6addr hairpin_address(__u8 family)
{
	return family == IPV4 ? mapped(loopback_ipv4) : constant_address(&loopback_ipv6);
}

static __always_inline bool is_hairpin_address(const struct packet *pkt)
{
	if (pkt->family == IPV4)
		return pkt->destination.words[3] == loopback_ipv4;
	return is_constant(&pkt->destination, &loopback_ipv6);
}

static __always_inline void describe_question(const struct packet *pkt, struct balance *balance)
{
	balance->asked = (struct frontend_key){
		.address = pkt->destination,
		.port = pkt->destination_port,
		.protocol = pkt->protocol,
	};
}

static __always_inline void describe_flow(const struct packet *pkt, struct balance *balance)
{
	balance->key = (struct service_flow_key){
		.client = pkt->flow_source,
		.frontend = pkt->destination,
		.client_port = pkt->source_port,
		.frontend_port = pkt->destination_port,
		.protocol = pkt->protocol,
	};
	balance->tcp_flags = pkt->tcp_flags;
	balance->icmp_error = pkt->icmp_error;
}

/* Hands a packet from one function to the next, each with a frame of its own: the stack has 512 bytes over all calls. */
static __always_inline void save_packet(const struct packet *pkt, struct balance *balance)
{
	balance->packet = (struct saved_packet){
		.source = pkt->source,
		.destination = pkt->destination,
		.flow_source = pkt->flow_source,
		.source_port = pkt->source_port,
		.destination_port = pkt->destination_port,
		.l4_offset = pkt->l4_offset,
		.header_length = pkt->header_length,
		.quoted_l3_offset = pkt->quoted_l3_offset,
		.quoted_l4_offset = pkt->quoted_l4_offset,
		.fragment = pkt->fragment,
		.protocol = pkt->protocol,
		.tcp_flags = pkt->tcp_flags,
		.icmp_type = pkt->icmp_type,
		.hops = pkt->hops,
		.icmp_error = pkt->icmp_error,
		.dont_fragment = pkt->dont_fragment,
		.has_ports = pkt->has_ports,
		.frontend = pkt->frontend,
	};
}

static __always_inline void load_packet(struct packet *pkt, const struct balance *balance)
{
	const struct saved_packet *saved = &balance->packet;

	pkt->source = saved->source;
	pkt->destination = saved->destination;
	pkt->flow_source = saved->flow_source;
	pkt->source_port = saved->source_port;
	pkt->destination_port = saved->destination_port;
	pkt->l4_offset = saved->l4_offset;
	pkt->header_length = saved->header_length;
	pkt->quoted_l3_offset = saved->quoted_l3_offset;
	pkt->quoted_l4_offset = saved->quoted_l4_offset;
	pkt->fragment = saved->fragment;
	pkt->protocol = saved->protocol;
	pkt->tcp_flags = saved->tcp_flags;
	pkt->icmp_type = saved->icmp_type;
	pkt->hops = saved->hops;
	pkt->icmp_error = saved->icmp_error;
	pkt->dont_fragment = saved->dont_fragment;
	pkt->has_ports = saved->has_ports;
	pkt->frontend = saved->frontend;
}

/* What came of the search for this packet's backend. 0, or the drop reason, with what the client is to hear. */
static __always_inline int check_backend(
	struct packet *pkt, const struct balance *balance, int reason)
{
	if (unlikely(reason)) {
		pkt->response = balance->silent ? POLICY_RESPONSE_DROP : REFUSAL_NO_SERVICE;
		return reason;
	}
	/* Nothing redoes SCTP's checksum. */
	if (unlikely(pkt->protocol == PROTOCOL_SCTP &&
		     balance->backend_port != pkt->destination_port))
		return DROP_NAT_UNSUPPORTED;
	return 0;
}

/* Puts the backend in the frontend's place. 0, or the drop reason. */
static __always_inline int to_backend(struct packet *pkt, const struct balance *balance)
{
	return rewrite_end(pkt, PACKET_DESTINATION, &balance->backend, balance->backend_port);
}

/* Back to what the client sent, so that an answer to it comes from whom it asked. 0, or the drop reason. */
static __always_inline int to_frontend(struct packet *pkt)
{
	struct balance *balance = this_balance();

	if (!balance)
		return DROP_NO_CONFIG;
	return rewrite_end(
		pkt, PACKET_DESTINATION, &balance->key.frontend, balance->key.frontend_port);
}

/* Field by field: a record built on the stack would be too much for it. */
static __always_inline void describe_answer(const struct balance *balance, struct nat_tuple *tuple)
{
	tuple->key.source = balance->backend;
	tuple->key.destination = balance->key.client;
	tuple->key.source_port = balance->backend_port;
	tuple->key.destination_port = balance->key.client_port;
	tuple->key.protocol = balance->key.protocol;
	tuple->key.direction = NAT_ANSWER;
	tuple->key.reserved[0] = 0;
	tuple->key.reserved[1] = 0;
}

static __always_inline int write_answer(__u32 frontend, __u8 family, __u8 tcp_flags)
{
	struct balance *balance = this_balance();
	struct translation *translation = this_translation();
	const struct nat_entry6 *known;

	if (!balance || !translation)
		return 0;
	describe_answer(balance, &translation->tuple);
	translation->tuple.family = family;
	translation->tuple.tcp_flags = tcp_flags;
	known = &translation->target;
	if (nat_find(NAT_WAY, true) && known->port == balance->key.frontend_port &&
		same_address(&known->address, &balance->key.frontend))
		return 0;
	translation->target.address = balance->key.frontend;
	translation->target.port = balance->key.frontend_port;
	translation->target.flags = 0;
	translation->target.frontend = frontend;
	return nat_write(NAT_WAY, BPF_ANY);
}

/* Answers of this packet's backend to its client get the frontend that the packet was for. For flows whose frontend does not
 * say by itself (any node's port), and for backends whose answers conntrack does not see (the node's own sockets). A global
 * function, verified once by itself.
 */
__noinline int note_answer(__u32 frontend, __u8 family, __u8 tcp_flags)
{
	return write_answer(frontend, family, tcp_flags);
}

/* Finds what a reply of a flow to this frontend gets as its source: this_translation()'s target. A frontend of any node's does not say;
 * which one it was, note_answer() noted. 0, or the drop reason. A global function, verified once by itself.
 */
__noinline int find_source(__u32 id, bool refresh)
{
	struct translation *translation = this_translation();
	struct frontend_address *frontend = bpf_map_lookup_elem(&tsi_lb_address, &id);

	if (!translation)
		return DROP_NO_CONFIG;
	if (unlikely(!frontend || is_unspecified(&frontend->address)))
		return nat_find(NAT_WAY, refresh) ? 0 : DROP_NO_BACKEND;
	translation->target.address = frontend->address;
	translation->target.port = frontend->port;
	return 0;
}

/* A reply of a balanced flow comes from its frontend. 0, or the drop reason. */
static __always_inline int restore_frontend(struct packet *pkt)
{
	struct translation *translation = this_translation();
	int reason;

	if (!translation)
		return DROP_NO_CONFIG;
	flow_tuple(pkt, NAT_ANSWER, &translation->tuple);
	reason = find_source(pkt->reply_frontend, !pkt->icmp_error);
	if (unlikely(reason))
		return reason;
	return rewrite_end(
		pkt, PACKET_SOURCE, &translation->target.address, translation->target.port);
}

#endif
