// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcx ingress of an underlay device: what reaches the node from outside. What is for the node
 * itself, tunnelled packets included, is the stack's; what is malformed too.
 *
 *   wire --> eth0 --> [here] --> local pod, addressed by itself        redirect_peer
 *                            --> local pod, answering a masqueraded    address restored, redirect_peer
 *                            --> a service: backend here               its address, redirect_peer
 *                                           backend elsewhere          its address, the node's as source; on
 *                            --> answer of a backend elsewhere         addresses restored, on to the client
 *                            --> own node                              the stack
 */
#include "lib/deliver.h"
#include "lib/dsr.h"
#include "lib/ipip.h"
#include "lib/masquerade.h"
#include "lib/outside.h"
#include "lib/parse.h"
#include "lib/refuse.h"
#include "lib/tunnel.h"

/* Anybody on the underlay can write any source address. Those of local pods and of this node never
 * come from there, and those of remote pods only through the tunnel, where there is one.
 */
static __always_inline bool is_forged(const struct packet *pkt, const struct ipcache_entry *sender)
{
	return is_tunnelled(sender) || endpoint_of(&pkt->source);
}

/* A denied packet's answer leaves by the device that it came in by; one to what answered a masqueraded
 * connection would show it the pod's own address.
 */
static __always_inline int deny(struct packet *pkt, bool known_reply, int reason)
{
	if (known_reply)
		return drop(pkt, reason);
	if (unlikely(pkt->frontend))
		return refuse_as_frontend(pkt, reason);
	return refuse(pkt, reason) ? bpf_redirect(device_of(pkt->skb), 0) : TC_ACT_SHOT;
}

static __always_inline int to_pod(
	struct packet *pkt, const struct endpoint *endpoint, bool known_reply)
{
	struct ipcache_entry *sender = ipcache_find(&pkt->source);
	int reason;

	pkt->endpoint_id = endpoint->id;
	set_destination_pod(pkt, endpoint);
	pkt->source_identity = identity_or_world(sender, pkt->family);
	pkt->source_owner = sender ? sender->owner : 0;
	if (unlikely(is_forged(pkt, sender)))
		return drop(pkt, DROP_INVALID_SOURCE);
	if (unlikely(!pkt->has_ports))
		return drop(pkt, DROP_FIRST_FRAGMENT_MISSING);
	reason = track(pkt, known_reply);
	if (unlikely(reason))
		return deny(pkt, known_reply, reason);
	if (routing_mode == ROUTING_NATIVE)
		believe(pkt);
	if (unlikely(pkt->proxy_port))
		return to_proxy(pkt);
	if (unlikely(pkt->hops <= 1))
		return expired(pkt);
	if (unlikely(pkt->reply_frontend)) {
		reason = restore_frontend(pkt);
		if (reason)
			return drop(pkt, reason);
	}
	return deliver_from_ingress(pkt, endpoint);
}

static __always_inline int to_deliver(const struct packet *pkt, bool known_reply)
{
	struct balance *balance = this_balance();

	if (unlikely(!balance))
		return drop(pkt, DROP_NO_CONFIG);
	save_packet(pkt, balance);
	balance->packet.known_reply = known_reply;
	return DELIVER;
}

/* For the node's own address: DELIVER for a pod's reply, with the pod as destination; the rest is answers to clients that the node
 * stands in for, and the node's own business.
 */
static __always_inline int to_node(struct packet *pkt)
{
	int reason = 0;

	if (!(is_masquerading(pkt->family) || enable_node_port) || !pkt->has_ports ||
		is_tunnel_packet(pkt))
		return TC_ACT_OK;
	if (!unmasquerade(pkt, &reason))
		return TC_ACT_OK;
	if (reason)
		return drop(pkt, reason);
	return enable_node_port && pkt->reply_frontend ? answer_client(pkt) : to_deliver(pkt, true);
}

/* Refused before anything was rewritten. */
static __always_inline int refuse_client(const struct packet *pkt, int reason)
{
	return refuse(pkt, reason) ? bpf_redirect(device_of(pkt->skb), 0) : TC_ACT_SHOT;
}

/* How a packet gets to a backend elsewhere. */
enum passage {
	/* The node takes the client's place. */
	PASSAGE_SNAT,
	/* As the client's own, and it says the frontend. */
	PASSAGE_DSR,
	/* In a packet of the node's. */
	PASSAGE_IPIP,
};

/* A pod's node knows what a packet says; other backends would answer the client as themselves. */
static __always_inline enum passage passage_to(
	const struct balance *balance, const struct ipcache_entry *remote)
{
	if (!enable_dsr || !(balance->frontend.flags & FRONTEND_DSR) || !remote ||
		!is_pod_identity(remote->identity))
		return PASSAGE_SNAT;
	return enable_dsr_ipip && balance->backend_port == balance->key.frontend_port ? PASSAGE_IPIP
										      : PASSAGE_DSR;
}

/* Bytes that a packet of this client may have, 0: any that came here. */
static __always_inline __u32 room_for(
	const struct packet *pkt, enum passage passage, bool tunnelled)
{
	if (passage == PASSAGE_IPIP)
		return tunnel_mtu - ipip_length(pkt->family);
	if (passage == PASSAGE_DSR && says_frontend(pkt))
		return tunnel_mtu - dsr_length(pkt->family);
	return tunnelled ? tunnel_mtu : 0;
}

/* Not rewritten at all: where it came for, its backend's node sees. */
static __always_inline int in_ip(struct packet *pkt)
{
	int reason;

	if (unlikely(pkt->hops <= 1))
		return drop(pkt, DROP_TTL_EXCEEDED);
	reason = route_one_hop(pkt);
	if (!reason)
		reason = put_in_ip(pkt);
	return unlikely(reason) ? drop(pkt, reason) : by_route(pkt);
}

static __always_inline int to_backend_elsewhere(struct packet *pkt, const struct balance *balance)
{
	struct ipcache_entry *remote = ipcache_find(&balance->backend);
	enum passage passage = passage_to(balance, remote);
	bool tunnelled = is_tunnelled(remote);
	__u32 identity = world_identity(pkt->family);
	int reason;

	pkt->mtu = room_for(pkt, passage, tunnelled);
	if (pkt->mtu && unlikely(wire_length(pkt) > pkt->mtu)) {
		pkt->response = REFUSAL_TOO_BIG;
		return refuse_client(pkt, DROP_FRAGMENTATION_NEEDED);
	}
	if (passage == PASSAGE_IPIP)
		return in_ip(pkt);
	if (tunnelled)
		identity = identity_or_world(ipcache_find(&pkt->source), pkt->family);
	reason = to_backend(pkt, balance);
	if (!reason)
		reason = passage == PASSAGE_DSR ? add_dsr(pkt) : take_place(pkt, tunnelled);
	if (unlikely(reason))
		return drop(pkt, reason);
	return tunnelled ? into_tunnel(pkt, remote, identity) : to_network(pkt);
}

/* DELIVER for a pod of this node. */
static __always_inline int to_chosen_backend(struct packet *pkt, struct balance *balance)
{
	struct endpoint *local = endpoint_of(&balance->backend);
	int reason;

	if (!local)
		return to_backend_elsewhere(pkt, balance);
	if (is_host(local) && !pkt->icmp_error)
		note_answer(pkt->frontend, pkt->family, pkt->tcp_flags);
	reason = to_backend(pkt, balance);
	if (unlikely(reason))
		return drop(pkt, reason);
	if (is_host(local))
		return to_stack(pkt, TRACE_TO_HOST);
	save_packet(pkt, balance);
	return DELIVER;
}

/* Who came for what, before it is rewritten: what is told later has other ends. */
static __always_inline void tell_client(struct packet *pkt, const struct balance *balance)
{
	__u32 level = trace_level();

	if (level == TRACE_OFF || level == TRACE_ALL || !(balance->opened || has_told_flags(pkt)))
		return;
	pkt->trace = balance->opened ? TRACE_REASON_NEW : TRACE_REASON_ESTABLISHED;
	tell(pkt, EVENT_TRACE, TRACE_FROM_NETWORK, place_of(pkt));
}

static __always_inline int serve(struct packet *pkt)
{
	struct balance *balance = this_balance();
	int reason;

	if (unlikely(!balance))
		return drop(pkt, DROP_NO_CONFIG);
	load_packet(pkt, balance);
	describe_flow(pkt, balance);
	reason = admit();
	if (unlikely(reason))
		return drop(pkt, reason);
	if (unlikely(endpoint_of(&pkt->source)))
		return drop(pkt, DROP_INVALID_SOURCE);
	reason = recall_backend();
	if (unlikely(reason)) {
		if (is_martian(pkt) || is_tunnelled(ipcache_find(&pkt->source)))
			return drop(pkt, DROP_INVALID_SOURCE);
		reason = open_service_flow();
	}
	reason = check_backend(pkt, balance, reason);
	if (unlikely(reason))
		return refuse_client(pkt, reason);
	tell_client(pkt, balance);
	return to_chosen_backend(pkt, balance);
}

/* CONTINUE for what is not for a service, SERVE for what is. */
static __always_inline int from_client(struct packet *pkt, bool for_this_node)
{
	struct balance *balance = this_balance();
	struct frontend *frontend;

	if (!balance || is_tunnel_packet(pkt))
		return CONTINUE;
	if (is_balanced(pkt) && pkt->has_ports) {
		describe_question(pkt, balance);
		frontend = bpf_map_lookup_elem(&tsi_lb_frontend, &balance->asked);
		if (frontend) {
			balance->by_port = false;
			balance->frontend = *frontend;
			pkt->frontend = frontend->id;
			save_packet(pkt, balance);
			return SERVE;
		}
		pkt->response = REFUSAL_NO_SERVICE;
	}
	/* The stack would send it back to whoever routes the address here. */
	if (unlikely(!for_this_node) && is_service_address(&pkt->destination))
		return refuse_client(pkt, DROP_NO_BACKEND);
	return CONTINUE;
}

/* How another node told of the frontend. */
enum telling { TOLD_NOTHING, TOLD_BY_OPTION, TOLD_BY_PACKET };

static __always_inline bool take_out_of_ip(const struct packet *pkt)
{
	return pkt->family == IPV4 ? take_out_of_ip4(pkt->skb) : take_out_of_ip6(pkt->skb);
}

/* Takes off what another node put on. */
static __always_inline enum telling strip(const struct packet *pkt)
{
	if (enable_dsr_ipip && take_out_of_ip(pkt))
		return TOLD_BY_PACKET;
	return strip_dsr(pkt) ? TOLD_BY_OPTION : TOLD_NOTHING;
}

/* A packet out of another one is still for the frontend itself. 0, or the drop reason. */
static __always_inline int take_frontend(struct packet *pkt, enum telling told)
{
	struct balance *balance = this_balance();
	union v6addr pod;
	int reason;

	if (!balance)
		return DROP_NO_CONFIG;
	if (!enable_dsr_ipip || told != TOLD_BY_PACKET) {
		pkt->frontend = said_frontend(told, pkt->protocol);
		return 0;
	}
	balance->key.frontend = pkt->destination;
	balance->key.frontend_port = pkt->destination_port;
	pod = balance->backend;
	reason = rewrite_end(pkt, PACKET_DESTINATION, &pod, pkt->destination_port);
	pkt->frontend = said_frontend(true, pkt->protocol);
	return reason || pkt->frontend ? reason : DROP_NO_BACKEND;
}

/* DELIVER for what is for a pod, SERVE for what is for a service. */
static __always_inline int sort_out(struct packet *pkt)
{
	union v6addr node = node_address(pkt->family);
	/* In tunnel mode nobody tells it here. */
	enum telling told = routing_mode == ROUTING_NATIVE ? strip(pkt) : TOLD_NOTHING;
	bool for_node_address;
	struct endpoint *endpoint;
	int verdict;

	if (parse(pkt))
		return TC_ACT_OK;
	if (!is_tunnel_packet(pkt))
		received(pkt, TRACE_FROM_NETWORK);
	if (enable_dsr && routing_mode == ROUTING_NATIVE) {
		verdict = take_frontend(pkt, told);
		if (unlikely(verdict))
			return drop(pkt, verdict);
	}
	for_node_address = same_address(&pkt->destination, &node);
	endpoint = for_node_address ? 0 : endpoint_of(&pkt->destination);
	if (endpoint && !is_host(endpoint))
		return to_deliver(pkt, false);
	if (enable_node_port) {
		verdict = from_client(pkt, for_node_address || endpoint);
		if (verdict != CONTINUE)
			return verdict;
	}
	return for_node_address ? to_node(pkt) : TC_ACT_OK;
}

static __always_inline int deliver(struct packet *pkt)
{
	struct balance *balance = this_balance();
	struct endpoint *endpoint;

	if (unlikely(!balance))
		return drop(pkt, DROP_NO_CONFIG);
	load_packet(pkt, balance);
	endpoint = endpoint_of(&pkt->destination);
	if (unlikely(!endpoint))
		return drop(pkt, DROP_UNROUTABLE);
	return is_host(endpoint) ? TC_ACT_OK : to_pod(pkt, endpoint, balance->packet.known_reply);
}

/* Global functions, verified once by themselves, and with frames of their own. */
__noinline int from_wire4(struct __sk_buff *skb)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_INGRESS, .family = IPV4};

	return sort_out(&pkt);
}

__noinline int from_wire6(struct __sk_buff *skb)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_INGRESS, .family = IPV6};

	return sort_out(&pkt);
}

__noinline int serve_client4(struct __sk_buff *skb)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_INGRESS, .family = IPV4};

	return serve(&pkt);
}

__noinline int serve_client6(struct __sk_buff *skb)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_INGRESS, .family = IPV6};

	return serve(&pkt);
}

__noinline int deliver4(struct __sk_buff *skb)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_INGRESS, .family = IPV4};

	return deliver(&pkt);
}

__noinline int deliver6(struct __sk_buff *skb)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_INGRESS, .family = IPV6};

	return deliver(&pkt);
}

static __always_inline int from_network4(struct __sk_buff *skb)
{
	int verdict = from_wire4(skb);

	if (verdict == SERVE)
		verdict = serve_client4(skb);
	return verdict == DELIVER ? deliver4(skb) : verdict;
}

static __always_inline int from_network6(struct __sk_buff *skb)
{
	int verdict = from_wire6(skb);

	if (verdict == SERVE)
		verdict = serve_client6(skb);
	return verdict == DELIVER ? deliver6(skb) : verdict;
}

SEC("tc")
int tsi_from_netdev(struct __sk_buff *skb)
{
	/* Broadcast and multicast frames, and those a promiscuous device overhears. */
	if (skb->pkt_type != PACKET_HOST)
		return TC_ACT_OK;
	if (enable_ipv4 && skb->protocol == bpf_htons(ETH_P_IP))
		return from_network4(skb);
	if (enable_ipv6 && skb->protocol == bpf_htons(ETH_P_IPV6))
		return from_network6(skb);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
