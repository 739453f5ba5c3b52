// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcx ingress of every pod's host-side veth: all that a pod sends. One program for all pods; whose
 * packet it is, the interface tells.
 *
 *   pod eth0 ==== lxcXXXX --> [here] --> local pod      redirect_peer
 *                                    --> remote pod     tsi_vxlan, or the stack's routes (native)
 *                                    --> own node       the stack
 *                                    --> the rest       the stack, masqueraded by to_netdev
 */
#include <linux/bpf.h>
#include "lib/arp.h"
#include "lib/conntrack.h"
#include "lib/deliver.h"
#include "lib/identity.h"
#include "lib/ndp.h"
#include "lib/parse.h"
#include "lib/refuse.h"
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
static __always_inline int deny(const struct packet *pkt, int reason)
{
	return refuse(pkt, reason) ? bpf_redirect(pkt->skb->ifindex, 0) : TC_ACT_SHOT;
}

static __always_inline int route(struct packet *pkt)
{
	struct endpoint *local = endpoint_of(&pkt->destination);
	struct ipcache_entry *remote = local ? 0 : ipcache_find(&pkt->destination);
	int reason;

	learn_destination(pkt, local, remote);
	/* The node reassembles what is for itself; nobody does for anyone else. */
	if (unlikely(!pkt->has_ports))
		return local && is_host(local) ? to_stack(pkt, TRACE_TO_HOST)
					       : drop(pkt, DROP_FIRST_FRAGMENT_MISSING);
	reason = track(pkt, false);
	if (unlikely(reason))
		return deny(pkt, reason);
	if (!local)
		return to_remote(pkt, remote);
	if (is_host(local))
		return to_stack(pkt, TRACE_TO_HOST);
	if (unlikely(pkt->hops <= 1))
		return expired(pkt);
	return deliver_from_ingress(pkt, local);
}

static __always_inline int from_pod(struct packet *pkt, const struct endpoint *endpoint)
{
	int reason = parse(pkt), verdict;

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
	return route(pkt);
}

SEC("tc")
int tsi_from_container(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct packet pkt = {.skb = skb, .direction = DIRECTION_EGRESS};
	struct endpoint *endpoint = bpf_map_lookup_elem(&tsi_ep_if, &ifindex);
	int reason;

	if (unlikely(!endpoint))
		return drop(&pkt, DROP_NO_CONFIG);
	pkt.endpoint_id = endpoint->id;
	set_source_pod(&pkt, endpoint);
	reason = check_frame(&pkt, endpoint);
	if (unlikely(reason))
		return drop(&pkt, reason);
	if (enable_ipv4 && skb->protocol == bpf_htons(ETH_P_IP)) {
		pkt.family = IPV4;
		return from_pod(&pkt, endpoint);
	}
	if (enable_ipv6 && skb->protocol == bpf_htons(ETH_P_IPV6)) {
		pkt.family = IPV6;
		return from_pod(&pkt, endpoint);
	}
	if (enable_ipv4 && skb->protocol == bpf_htons(ETH_P_ARP))
		return handle_arp(&pkt, endpoint);
	return drop(&pkt, DROP_UNSUPPORTED_L3);
}

char _license[] SEC("license") = "Dual BSD/GPL";
