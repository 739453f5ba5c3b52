/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Clients from outside at a service's address, and the way back to them where this node stands between them and the backend.
 *
 *   client -> frontend    backend on this node        client -> backend
 *                         backend on another (SNAT)   node -> backend        the answer comes back here
 */
#ifndef TSI_LIB_OUTSIDE_H
#define TSI_LIB_OUTSIDE_H

#include "lib/leave.h"
#include "lib/refuse.h"
#include "lib/serve.h"
#include "lib/tunnel.h"

static __always_inline bool is_in_source_range(const struct balance *balance)
{
	struct source_range_key key = {
		.prefixlen = 160,
		.frontend = balance->frontend.id,
		.address = balance->key.client,
	};

	return bpf_map_lookup_elem(&tsi_lb_source, &key);
}

/* A client that is a pod elsewhere, or a node, is one of the cluster's. */
static __always_inline __u32 set_for(const struct balance *balance)
{
	const struct frontend *frontend = &balance->frontend;
	struct ipcache_entry *client;

	if (likely(frontend->external_set == frontend->internal_set))
		return frontend->external_set;
	client = ipcache_find(&balance->key.client);
	return client && (is_pod_identity(client->identity) || is_other_node(client->identity))
		       ? frontend->internal_set
		       : frontend->external_set;
}

/* Whether this frontend is for clients from outside, and for this one. 0, or the drop reason. A global function, verified once by
 * itself.
 */
__noinline int admit(void)
{
	struct balance *balance = this_balance();

	if (!balance)
		return DROP_NO_CONFIG;
	if (balance->frontend.flags & FRONTEND_CLUSTER_IP && !enable_external_cluster_ip)
		return DROP_CLUSTER_IP;
	if (balance->frontend.flags & FRONTEND_SOURCE_RANGES && !is_in_source_range(balance))
		return DROP_SOURCE_RANGE;
	balance->set = set_for(balance);
	return 0;
}

/* Addresses that nobody outside has. An answer to a service's would be balanced again, for ever. */
static __always_inline bool is_martian(const struct packet *pkt)
{
	const union v6addr *source = &pkt->source;
	union v6addr hairpin = hairpin_address(pkt->family);

	if (same_address(source, &hairpin) || is_service_address(source))
		return true;
	if (pkt->family == IPV4)
		return !source->words[3] || source->bytes[12] == 127 ||
		       is_multicast4(source->words[3]);
	return no_address(source) || is_multicast6(source) || is_link_local6(source) ||
	       (!source->halves[0] && source->halves[1] == bpf_cpu_to_be64(1));
}

/* The end, this_translation()'s target, at which the node takes the client's place, so that the answer comes back to it: with the
 * router's address where the way to the backend is the tunnel, for nobody else knows pods' addresses. 0, or the drop reason.
 */
static __always_inline int find_place(const struct packet *pkt, bool tunnelled)
{
	union v6addr own = tunnelled ? router_address(pkt->family) : node_address(pkt->family);
	struct translation *translation = this_translation();
	struct nat_entry6 *source;

	if (!translation || (pkt->family == IPV4 ? !own.words[3] : no_address(&own)))
		return DROP_NO_NAT_MAPPING;
	source = &translation->target;
	*source = (struct nat_entry6){.address = own, .frontend = pkt->frontend};
	flow_tuple(pkt, NAT_FORWARD, &translation->tuple);
	if (!nat_find(NAT_WAY, !pkt->icmp_error))
		return pkt->icmp_error ? DROP_NO_NAT_MAPPING : nat_allocate();
	if (unlikely(source->frontend != pkt->frontend)) {
		source->frontend = pkt->frontend;
		nat_follow_frontend();
	}
	return 0;
}

static __always_inline int take_place(struct packet *pkt, bool tunnelled)
{
	struct translation *translation = this_translation();
	int reason = find_place(pkt, tunnelled);

	if (reason || !translation)
		return reason;
	return rewrite_end(
		pkt, PACKET_SOURCE, &translation->target.address, translation->target.port);
}

static __always_inline int into_tunnel(
	struct packet *pkt, const struct ipcache_entry *remote, __u32 identity)
{
	int reason;

	if (unlikely(pkt->hops <= 1))
		return drop(pkt, DROP_TTL_EXCEEDED);
	reason = route_one_hop(pkt);
	if (unlikely(reason))
		return drop(pkt, reason);
	return encapsulate(pkt, &remote->tunnel_endpoint, identity);
}

/* The answer of a backend elsewhere to a client that asked here: its destination is the client again. */
static __always_inline int answer_client(struct packet *pkt)
{
	int reason = restore_frontend(pkt);

	/* The client's, which nobody has looked up: the packet came for the node. */
	pkt->destination_identity = 0;
	pkt->endpoint_id = 0;
	pkt->is_reply = true;
	pkt->trace = due_by_flags(pkt, TRACE_REASON_REPLY);
	return unlikely(reason) ? drop(pkt, reason) : to_network(pkt);
}

/* What a policy says of a backend, its client hears from the service, and by the way that answers take: the packet may have come from
 * another node.
 */
static __always_inline int refuse_as_frontend(struct packet *pkt, int reason)
{
	__u32 ifindex;

	if (!pkt->response || to_frontend(pkt))
		return drop(pkt, reason);
	if (!refuse(pkt, reason))
		return TC_ACT_SHOT;
	ifindex = route_of(pkt->skb, pkt->family == IPV4);
	if (!ifindex)
		return TC_ACT_SHOT;
	set_translated(pkt->skb);
	return bpf_redirect_neigh(ifindex, 0, 0, 0);
}

#endif
