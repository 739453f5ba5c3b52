// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcx ingress of tsi_host: packets that from_host found to be a proxy's, and that only an ingress hook can assign to a socket.
 * Everything else that arrives there (answers to denied packets) goes on into the stack.
 */
#include "lib/conntrack.h"
#include "lib/parse.h"
#include "lib/proxy.h"

static __always_inline int from_host_to_proxy(struct packet *pkt)
{
	struct flow *flow = this_flow();
	int reason = parse(pkt);

	if (unlikely(reason))
		return drop(pkt, reason);
	if (!flow)
		return drop(pkt, DROP_NO_CONFIG);
	flow->source_high = conntrack_key(pkt, &flow->key);
	reason = hand_over(pkt->skb, handed(pkt).packed);
	if (unlikely(reason))
		return drop(pkt, reason);
	if (pkt->skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(pkt->skb, PACKET_HOST);
	/* Without the listener, so that the mark is the one that the stack's rule looks for. */
	pkt->skb->mark = MARK_TO_PROXY;
	return TC_ACT_OK;
}

SEC("tc")
int tsi_to_proxy(struct __sk_buff *skb)
{
	struct packet pkt = {.skb = skb, .direction = DIRECTION_INGRESS};

	if ((skb->mark & PROXY_MARK_MASK) != MARK_TO_PROXY)
		return TC_ACT_OK;
	pkt.proxy_port = skb->mark >> MARK_PORT_SHIFT;
	if (enable_ipv4 && skb->protocol == bpf_htons(ETH_P_IP)) {
		pkt.family = IPV4;
		return from_host_to_proxy(&pkt);
	}
	if (enable_ipv6 && skb->protocol == bpf_htons(ETH_P_IPV6)) {
		pkt.family = IPV6;
		return from_host_to_proxy(&pkt);
	}
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
