// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcx egress of an underlay device: what leaves the node, after the stack has routed (and
 * fragmented) it. Pods' packets to whoever does not know pod addresses get the node's; the node's
 * own connections are noted, so that both never use one port towards one remote.
 *
 *   pod --> stack  \
 *                   --> [here] --> eth0 --> wire
 *   node's sockets /
 */
#include "lib/leave.h"
#include "lib/masquerade.h"
#include "lib/parse.h"
#include "lib/serve.h"
#include "maps/node.h"

static __always_inline bool is_cluster_node(const union v6addr *address)
{
	struct address_key key = {.address = *address};

	return bpf_map_lookup_elem(&tsi_nodes, &key);
}

/* With native routing other nodes have routes to this node's pods; in tunnel mode their stacks
 * would answer a pod's address into the tunnel, past the sender's connection tracking.
 */
static __always_inline bool must_masquerade(const struct packet *pkt)
{
	if (routes_pod_addresses(pkt))
		return false;
	return routing_mode == ROUTING_TUNNEL || !is_cluster_node(&pkt->destination);
}

static __always_inline int leave(struct packet *pkt, __u16 nat_flags)
{
	int reason;

	if (!must_masquerade(pkt))
		return to_stack(pkt, TRACE_TO_NETWORK);
	if (unlikely(!pkt->has_ports))
		return drop(pkt, DROP_FIRST_FRAGMENT_MISSING);
	/* What was masqueraded before its destination was exempt goes on so. */
	reason = masquerade(pkt, nat_flags, is_exempt(pkt));
	if (unlikely(reason))
		return drop(pkt, reason);
	return to_stack(pkt, TRACE_TO_NETWORK);
}

/* The answer of a process of the node that a service made a backend (note_answer()): CONTINUE for what is none. */
static __always_inline int answer_as_frontend(struct packet *pkt)
{
	struct translation *translation = this_translation();
	struct nat_entry6 *frontend;
	int reason;

	if (!enable_node_port || !translation)
		return CONTINUE;
	frontend = &translation->target;
	flow_tuple(pkt, NAT_ANSWER, &translation->tuple);
	if (!nat_find(NAT_WAY, !pkt->icmp_error))
		return CONTINUE;
	reason = rewrite_end(pkt, PACKET_SOURCE, &frontend->address, frontend->port);
	return reason ? drop(pkt, reason) : TC_ACT_OK;
}

/* The node's own packet, from the address that pods share. */
static __always_inline int leave_from_node(struct packet *pkt)
{
	bool tunnel =
		pkt->protocol == IPPROTO_UDP && pkt->destination_port == bpf_htons(tunnel_port);
	int verdict;

	if (tunnel || !pkt->has_ports)
		return TC_ACT_OK;
	verdict = answer_as_frontend(pkt);
	if (verdict != CONTINUE)
		return verdict;
	/* Ports below the range are never given to pods. Errors about pods' flows quote them. */
	if (!pkt->icmp_error &&
		(!has_port(pkt) || !is_masquerade_port(bpf_ntohs(pkt->source_port))))
		return TC_ACT_OK;
	/* Better a port used twice than a node that cannot speak. */
	masquerade(pkt, NAT_HOST, false);
	return TC_ACT_OK;
}

/* A proxy answers in a pod's place: a client that asked a service of this node hears its frontend. 0, or the drop reason. */
static __always_inline int answer_for_pod(struct packet *pkt)
{
	struct conntrack_entry *entry;

	if (!enable_l7_proxy || !pkt->has_ports)
		return 0;
	entry = note_answer_for_pod(pkt);
	if (!entry || !entry->proxy_port)
		return 0;
	pkt->is_reply = true;
	if (!entry->frontend)
		return 0;
	pkt->reply_frontend = entry->frontend;
	return restore_frontend(pkt);
}

/* What a pod sends and the stack has forwarded, or a proxy in its place. */
static __always_inline int leave_for_pod(struct packet *pkt, const struct endpoint *endpoint)
{
	int reason;

	pkt->endpoint_id = endpoint->id;
	pkt->source_identity = endpoint->identity;
	reason = answer_for_pod(pkt);
	if (unlikely(reason))
		return drop(pkt, reason);
	if (!is_masquerading(pkt->family))
		return TC_ACT_OK;
	return pkt->reply_frontend ? to_stack(pkt, TRACE_TO_NETWORK) : leave(pkt, 0);
}

static __always_inline int to_wire(struct packet *pkt)
{
	union v6addr node = node_address(pkt->family), router = router_address(pkt->family);
	bool translates = is_masquerading(pkt->family) || enable_node_port;
	struct endpoint *endpoint;

	if (is_translated(pkt->skb) || !(translates || enable_l7_proxy) || parse(pkt))
		return TC_ACT_OK;
	if (same_address(&pkt->source, &node))
		return translates ? leave_from_node(pkt) : TC_ACT_OK;
	endpoint = is_masquerading(pkt->family) || enable_l7_proxy ? endpoint_of(&pkt->source) : 0;
	if (!endpoint)
		return TC_ACT_OK;
	if (!is_host(endpoint))
		return leave_for_pod(pkt, endpoint);
	return is_masquerading(pkt->family) && same_address(&pkt->source, &router)
		       ? leave(pkt, NAT_HOST)
		       : TC_ACT_OK;
}

SEC("tc")
int tsi_to_netdev(struct __sk_buff *skb)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_EGRESS};

	if (enable_ipv4 && skb->protocol == bpf_htons(ETH_P_IP)) {
		pkt.family = IPV4;
		return to_wire(&pkt);
	}
	if (enable_ipv6 && skb->protocol == bpf_htons(ETH_P_IPV6)) {
		pkt.family = IPV6;
		return to_wire(&pkt);
	}
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
