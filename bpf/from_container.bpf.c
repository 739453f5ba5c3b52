// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcx ingress of every pod's host-side veth: all that a pod sends. One program for all pods; whose
 * packet it is, the interface tells.
 *
 *   pod eth0 ==== lxcXXXX --> [here] --> local pod      redirect_peer
 *                                    --> remote pod     tsi_vxlan, or the stack's routes (native)
 *                                    --> own node       the stack
 *                                    --> a service      one of its backends, and then as above
 *                                    --> the rest       the stack, masqueraded by to_netdev
 */
#include <linux/bpf.h>
#include "lib/arp.h"
#include "lib/conntrack.h"
#include "lib/deliver.h"
#include "lib/hairpin.h"
#include "lib/identity.h"
#include "lib/leave.h"
#include "lib/ndp.h"
#include "lib/parse.h"
#include "lib/refuse.h"
#include "lib/serve.h"
#include "lib/tunnel.h"

static __always_inline bool is_vlan_tag(__be16 ethertype)
{
	return ethertype == bpf_htons(ETH_P_8021Q) || ethertype == bpf_htons(ETH_P_8021AD);
}

/* The frame is the pod's own, and for its router. */
static __always_inline int check_frame(const struct packet *pkt, const struct endpoint *endpoint)
{
	struct frame_head *head = header_at(pkt->skb, 0, sizeof(*head));

	if (!head)
		return DROP_INVALID_PACKET;
	if (__builtin_memcmp(head->source, endpoint->mac, 6))
		return DROP_INVALID_SOURCE;
	/* The tag would be carried into the next pod unseen. The kernel takes the outermost one
	 * off. */
	if (pkt->skb->vlan_present || is_vlan_tag(pkt->skb->protocol))
		return DROP_VLAN;
	return 0;
}

/* A pod without an address of the family has zeros there, which must not match a zero source. */
static __always_inline bool is_own_address(
	const struct packet *pkt, const struct endpoint *endpoint)
{
	if (pkt->family == IPV4)
		return pkt->source.words[3] == endpoint->ipv4 && endpoint->ipv4;
	return same_address(&pkt->source, &endpoint->ipv6) && endpoint->ipv6.halves[0];
}

static __always_inline bool is_multicast(const struct packet *pkt)
{
	return pkt->family == IPV4
		       ? is_multicast4(pkt->destination.words[3])
		       : is_multicast6(&pkt->destination) || is_link_local6(&pkt->destination);
}

/* What a pod may not send, whoever it is for. 0, or the drop reason. */
static __always_inline int check_packet(const struct packet *pkt, const struct endpoint *endpoint)
{
	if (!is_own_address(pkt, endpoint))
		return DROP_INVALID_SOURCE;
	/* A pod is no router: an error about others' flows would be let through as part of them. */
	if (unlikely(pkt->icmp_error) && !same_address(&pkt->flow_source, &pkt->source))
		return DROP_INVALID_SOURCE;
	/* It would arrive with an identity of its own choosing. */
	if (pkt->protocol == IPPROTO_UDP && pkt->destination_port == bpf_htons(tunnel_port) &&
		pkt->has_ports)
		return DROP_ENCAPSULATION;
	if (unlikely(is_multicast(pkt)))
		return DROP_UNKNOWN_TARGET;
	/* Sent to another link address than the router's: the stack would ignore it silently. */
	if (unlikely(pkt->skb->pkt_type != PACKET_HOST))
		return DROP_UNSUPPORTED_L2;
	return 0;
}

/* Too big for the tunnel: the stack has a route to remote pods with the tunnel's mtu, fragments to
 * it (the pieces come back through from_host), or answers "fragmentation needed" where it may not.
 */
static __always_inline int does_not_fit(const struct packet *pkt)
{
	if (!pkt->dont_fragment)
		return to_stack(pkt, TRACE_TO_STACK);
	record_drop(pkt, DROP_FRAGMENTATION_NEEDED);
	return TC_ACT_OK;
}

static __always_inline int to_remote(const struct packet *pkt, const struct ipcache_entry *entry)
{
	int reason;

	if (pkt->hops <= 1)
		return expired(pkt);
	if (!is_tunnelled(entry))
		return to_stack(pkt, TRACE_TO_STACK);
	if (wire_length(pkt) > tunnel_mtu)
		return does_not_fit(pkt);
	reason = route_one_hop(pkt);
	if (reason)
		return drop(pkt, reason);
	return encapsulate(pkt, &entry->tunnel_endpoint, pkt->source_identity);
}

/* Who is at the other end. */
static __always_inline void learn_destination(
	struct packet *pkt, const struct endpoint *local, const struct ipcache_entry *remote)
{
	if (local && !is_host(local)) {
		set_destination_pod(pkt, local);
		return;
	}
	pkt->destination_identity =
		local ? local->identity : identity_or_world(remote, pkt->family);
	pkt->destination_owner = remote ? remote->owner : 0;
}

/* A denied packet's answer goes back into the pod. */
static __always_inline int deny(struct packet *pkt, int reason)
{
	if (unlikely(pkt->frontend && pkt->response && pkt->response != REFUSAL_NO_SERVICE) &&
		to_frontend(pkt))
		return drop(pkt, reason);
	return refuse(pkt, reason) ? bpf_redirect(device_of(pkt->skb), 0) : TC_ACT_SHOT;
}

/* Pods' own addresses are never a service's. */
static __always_inline bool may_be_service(
	const struct packet *pkt, const struct endpoint *local, const struct ipcache_entry *remote)
{
	if (!is_balanced(pkt) || !pkt->has_ports)
		return false;
	return local ? is_host(local) : !remote || !is_pod_identity(remote->identity);
}

/* CONTINUE, with a backend in the service's place. */
static __always_inline int serve(struct packet *pkt, const struct endpoint *endpoint)
{
	struct balance *balance = this_balance();
	int reason;

	if (unlikely(!balance))
		return drop(pkt, DROP_NO_CONFIG);
	load_packet(pkt, balance);
	if (unlikely(is_hairpin_address(pkt)))
		return answer_itself(pkt, endpoint);
	describe_flow(pkt, balance);
	reason = recall_backend();
	if (reason)
		reason = open_service_flow();
	reason = check_backend(pkt, balance, reason);
	if (unlikely(reason))
		return deny(pkt, reason);
	if (unlikely(same_address(&balance->backend, &pkt->source)))
		return to_itself(pkt, endpoint, balance);
	if (unlikely(balance->by_port) && !pkt->icmp_error)
		note_answer(pkt->frontend, pkt->family, pkt->tcp_flags);
	reason = to_backend(pkt, balance);
	if (unlikely(reason))
		return drop(pkt, reason);
	save_packet(pkt, balance);
	return CONTINUE;
}

/* Whether the packet is for a service, or answers one that its own pod asked. */
static __always_inline bool is_for_service(
	struct packet *pkt, const struct endpoint *endpoint, struct balance *balance)
{
	if (unlikely(is_hairpin_address(pkt)))
		return true;
	describe_question(pkt, balance);
	if (!find_frontend_of_pod(endpoint->netns_cookie))
		return false;
	pkt->frontend = balance->frontend.id;
	return true;
}

/* The answer of a backend to a client that asked a service of this node: one more pod here, or somebody outside. */
static __always_inline int answer(
	struct packet *pkt, const struct endpoint *local, const struct ipcache_entry *remote)
{
	int reason = restore_frontend(pkt);

	if (unlikely(reason))
		return drop(pkt, reason);
	if (local && !is_host(local))
		return unlikely(pkt->hops <= 1) ? expired(pkt) : deliver_from_ingress(pkt, local);
	if (is_tunnelled(remote))
		return to_remote(pkt, remote);
	return local ? to_stack(pkt, TRACE_TO_HOST) : to_network(pkt);
}

static __always_inline int forward(
	struct packet *pkt, const struct endpoint *local, const struct ipcache_entry *remote)
{
	int reason;

	learn_destination(pkt, local, remote);
	/* The node reassembles what is for itself; nobody does for anyone else. */
	if (unlikely(!pkt->has_ports))
		return local && is_host(local) ? to_stack(pkt, TRACE_TO_HOST)
					       : drop(pkt, DROP_FIRST_FRAGMENT_MISSING);
	reason = track(pkt, false);
	if (unlikely(reason))
		return deny(pkt, reason);
	if (unlikely(pkt->proxy_port))
		return to_proxy(pkt);
	if (unlikely(pkt->reply_frontend))
		return answer(pkt, local, remote);
	if (!local)
		return to_remote(pkt, remote);
	if (is_host(local))
		return to_stack(pkt, TRACE_TO_HOST);
	if (unlikely(pkt->hops <= 1))
		return expired(pkt);
	return deliver_from_ingress(pkt, local);
}

/* served: the packet is for a backend already. */
static __always_inline int route(struct packet *pkt, const struct endpoint *endpoint, bool served)
{
	struct endpoint *local = endpoint_of(&pkt->destination);
	struct ipcache_entry *remote = local ? 0 : ipcache_find(&pkt->destination);
	struct balance *balance;

	if (!served && may_be_service(pkt, local, remote)) {
		balance = this_balance();
		if (balance && is_for_service(pkt, endpoint, balance)) {
			save_packet(pkt, balance);
			return SERVE;
		}
	}
	if (unlikely(!local && is_hairpin_address(pkt)))
		return drop(pkt, DROP_UNROUTABLE);
	return forward(pkt, local, remote);
}

/* CONTINUE for a packet that the pod may send. */
static __always_inline int examine(struct packet *pkt, const struct endpoint *endpoint)
{
	int reason = check_frame(pkt, endpoint), verdict;

	if (likely(!reason))
		reason = parse(pkt);
	if (unlikely(reason))
		return drop(pkt, reason);
	if (pkt->family == IPV6) {
		verdict = handle_ndp(pkt, endpoint);
		if (unlikely(verdict != CONTINUE))
			return verdict;
	}
	reason = check_packet(pkt, endpoint);
	if (unlikely(reason))
		return drop(pkt, reason);
	received(pkt, TRACE_FROM_POD);
	return CONTINUE;
}

static __always_inline int from_pod(struct __sk_buff *skb, const struct endpoint *endpoint,
	const enum family family, bool served)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_EGRESS, .family = family};
	struct balance *balance = this_balance();
	int verdict;

	if (!endpoint || !balance)
		return TC_ACT_SHOT;
	pkt.endpoint_id = endpoint->id;
	set_source_pod(&pkt, endpoint);
	if (unlikely(served)) {
		load_packet(&pkt, balance);
	} else {
		verdict = examine(&pkt, endpoint);
		if (unlikely(verdict != CONTINUE))
			return verdict;
	}
	return route(&pkt, endpoint, served);
}

static __always_inline int serve_pod(
	struct __sk_buff *skb, const struct endpoint *endpoint, const enum family family)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_EGRESS, .family = family};

	if (!endpoint)
		return TC_ACT_SHOT;
	pkt.endpoint_id = endpoint->id;
	set_source_pod(&pkt, endpoint);
	return serve(&pkt, endpoint);
}

/* Global functions, verified once by themselves. */
__noinline int from_pod4(struct __sk_buff *skb, const struct endpoint *endpoint, bool served)
{
	return from_pod(skb, endpoint, IPV4, served);
}

__noinline int from_pod6(struct __sk_buff *skb, const struct endpoint *endpoint, bool served)
{
	return from_pod(skb, endpoint, IPV6, served);
}

__noinline int serve_pod4(struct __sk_buff *skb, const struct endpoint *endpoint)
{
	return serve_pod(skb, endpoint, IPV4);
}

__noinline int serve_pod6(struct __sk_buff *skb, const struct endpoint *endpoint)
{
	return serve_pod(skb, endpoint, IPV6);
}

static __noinline int from_pod_otherwise(struct __sk_buff *skb, const struct endpoint *endpoint)
{
	struct packet pkt = {
		.skb = skb, .direction = DIRECTION_EGRESS, .endpoint_id = endpoint->id};
	int reason;

	set_source_pod(&pkt, endpoint);
	reason = check_frame(&pkt, endpoint);
	if (unlikely(reason))
		return drop(&pkt, reason);
	if (enable_ipv4 && skb->protocol == bpf_htons(ETH_P_ARP))
		return handle_arp(&pkt, endpoint);
	return drop(&pkt, DROP_UNSUPPORTED_L3);
}

static __noinline int from_nobody(struct __sk_buff *skb)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_EGRESS};

	return drop(&pkt, DROP_NO_CONFIG);
}

static __always_inline int from_endpoint4(struct __sk_buff *skb, const struct endpoint *endpoint)
{
	int verdict = from_pod4(skb, endpoint, false);

	if (likely(verdict != SERVE))
		return verdict;
	verdict = serve_pod4(skb, endpoint);
	return verdict == CONTINUE ? from_pod4(skb, endpoint, true) : verdict;
}

static __always_inline int from_endpoint6(struct __sk_buff *skb, const struct endpoint *endpoint)
{
	int verdict = from_pod6(skb, endpoint, false);

	if (likely(verdict != SERVE))
		return verdict;
	verdict = serve_pod6(skb, endpoint);
	return verdict == CONTINUE ? from_pod6(skb, endpoint, true) : verdict;
}

SEC("tc")
int tsi_from_container(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct endpoint *endpoint = bpf_map_lookup_elem(&tsi_ep_if, &ifindex);

	if (unlikely(!endpoint))
		return from_nobody(skb);
	if (enable_ipv4 && skb->protocol == bpf_htons(ETH_P_IP))
		return from_endpoint4(skb, endpoint);
	if (enable_ipv6 && skb->protocol == bpf_htons(ETH_P_IPV6))
		return from_endpoint6(skb, endpoint);
	return from_pod_otherwise(skb, endpoint);
}

char _license[] SEC("license") = "Dual BSD/GPL";
