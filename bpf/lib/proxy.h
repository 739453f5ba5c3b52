/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets that proxies of this node are to have (docs/decisions/0009).
 *
 *   client --SYN--> [listener of the rule set, by socket assignment]     after that the stack finds the socket by its ends
 *   server -------> [socket that the proxy connected from the client's address]
 *
 * Marked, they are delivered on this node whatever their destination: a rule and a table of the stack's say so.
 */
#ifndef TSI_LIB_PROXY_H
#define TSI_LIB_PROXY_H

#include "lib/conntrack_entry.h"
#include "lib/event.h"
#include "lib/flow.h"
#include "lib/packet.h"
#include "lib/proxy_marks.h"
#include "maps/runtime.h"

/* What a function that is called needs to know of a packet, in one register. */
union handed_packet {
	struct {
		__u16 proxy_port;
		__u8 family;
		__u8 protocol;
		__u8 tcp_flags;
		__u8 icmp_error;
		/* enum fragment. */
		__u8 fragment;
		__u8 reserved;
	};
	__u64 packed;
};

static __always_inline union handed_packet handed(const struct packet *pkt)
{
	return (union handed_packet){
		.proxy_port = pkt->proxy_port,
		.family = pkt->family,
		.protocol = pkt->protocol,
		.tcp_flags = pkt->tcp_flags,
		.icmp_error = pkt->icmp_error,
		.fragment = pkt->fragment,
	};
}

/* Ends of the packet that track() made the flow's key of. */
static __always_inline void read_tuple4(const struct flow *flow, struct bpf_sock_tuple *tuple)
{
	const struct conntrack_key4 *key = &flow->key.v4;
	bool high = flow->source_high;

	tuple->ipv4.saddr = high ? key->high_address : key->low_address;
	tuple->ipv4.daddr = high ? key->low_address : key->high_address;
	tuple->ipv4.sport = high ? key->high_port : key->low_port;
	tuple->ipv4.dport = high ? key->low_port : key->high_port;
}

static __always_inline void read_tuple6(const struct flow *flow, struct bpf_sock_tuple *tuple)
{
	const struct conntrack_key6 *key = &flow->key.v6;
	bool high = flow->source_high;

	__builtin_memcpy(tuple->ipv6.saddr, high ? &key->high_address : &key->low_address, 16);
	__builtin_memcpy(tuple->ipv6.daddr, high ? &key->low_address : &key->high_address, 16);
	tuple->ipv6.sport = high ? key->high_port : key->low_port;
	tuple->ipv6.dport = high ? key->low_port : key->high_port;
}

/* Listeners wait on loopback addresses, where nothing but this reaches them. */
static __always_inline void aim_at_listener(
	struct bpf_sock_tuple *tuple, __u8 family, __u16 proxy_port)
{
	if (family == IPV4) {
		tuple->ipv4.daddr = bpf_htonl(0x7f000001);
		tuple->ipv4.dport = bpf_htons(proxy_port);
		return;
	}
	tuple->ipv6.daddr[0] = 0;
	tuple->ipv6.daddr[1] = 0;
	tuple->ipv6.daddr[2] = 0;
	tuple->ipv6.daddr[3] = bpf_htonl(1);
	tuple->ipv6.dport = bpf_htons(proxy_port);
}

static __always_inline struct bpf_sock *find_tcp(
	struct __sk_buff *skb, struct bpf_sock_tuple *tuple, __u8 family)
{
	return family == IPV4
		       ? bpf_skc_lookup_tcp(skb, tuple, sizeof(tuple->ipv4), BPF_F_CURRENT_NETNS, 0)
		       : bpf_skc_lookup_tcp(
				 skb, tuple, sizeof(tuple->ipv6), BPF_F_CURRENT_NETNS, 0);
}

static __always_inline struct bpf_sock *find_udp(
	struct __sk_buff *skb, struct bpf_sock_tuple *tuple, __u8 family)
{
	return family == IPV4
		       ? bpf_sk_lookup_udp(skb, tuple, sizeof(tuple->ipv4), BPF_F_CURRENT_NETNS, 0)
		       : bpf_sk_lookup_udp(skb, tuple, sizeof(tuple->ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* Not one that is bound to any address. Verifier trick: whatever the family all is read, one field after the other; a choice
 * between fields becomes arithmetic on the socket's pointer, which is refused.
 */
static __always_inline bool is_bound_to(
	const struct bpf_sock *sk, const struct bpf_sock_tuple *tuple, __u8 family)
{
	__u32 ipv4 = *(const volatile __u32 *)&sk->src_ip4;
	__u32 ipv6[] = {
		*(const volatile __u32 *)&sk->src_ip6[0],
		*(const volatile __u32 *)&sk->src_ip6[1],
		*(const volatile __u32 *)&sk->src_ip6[2],
		*(const volatile __u32 *)&sk->src_ip6[3],
	};

	if (family == IPV4)
		return ipv4 == tuple->ipv4.daddr;
	return ipv6[0] == tuple->ipv6.daddr[0] && ipv6[1] == tuple->ipv6.daddr[1] &&
	       ipv6[2] == tuple->ipv6.daddr[2] && ipv6[3] == tuple->ipv6.daddr[3];
}

static __always_inline bool is_opening(union handed_packet packet)
{
	return (packet.tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

/* Whether it is the listener's, or was accepted by it. Ports are anybody's who comes first; the mark, which the hooks of proxies'
 * cgroups give, is not.
 */
static __always_inline bool is_of_listener(const struct bpf_sock *sk, __u16 port)
{
	return sk->mark == listener_mark(port);
}

/* Whether the stack will find the connection by its ends, and it is one that this listener accepted: another's is held to other
 * rules than the proxy was told of, and a process's of the node's to none. One that is over does not get the next one's first packet.
 */
static __always_inline bool is_connected(
	struct __sk_buff *skb, struct bpf_sock_tuple *tuple, union handed_packet packet)
{
	struct bpf_sock *sk = find_tcp(skb, tuple, packet.family), *full;
	bool found;

	if (!sk)
		return false;
	switch (sk->state) {
	case BPF_TCP_LISTEN:
		found = false;
		break;
	case BPF_TCP_TIME_WAIT:
		found = !is_opening(packet);
		break;
	case BPF_TCP_NEW_SYN_RECV:
		found = true;
		break;
	default:
		full = bpf_sk_fullsock(sk);
		found = full && is_of_listener(full, packet.proxy_port);
	}
	bpf_sk_release(sk);
	return found;
}

/* What is of no connection that it accepted, a listener resets. */
static __always_inline int assign_tcp(
	struct __sk_buff *skb, struct bpf_sock_tuple *tuple, union handed_packet packet)
{
	struct bpf_sock *sk = find_tcp(skb, tuple, packet.family), *listener;
	long failed;

	if (!sk)
		return DROP_NO_LISTENER;
	listener = sk->state == BPF_TCP_LISTEN ? bpf_sk_fullsock(sk) : 0;
	/* Somebody's listener on every address is not ours. */
	if (!listener || !is_bound_to(listener, tuple, packet.family) ||
		!is_of_listener(listener, packet.proxy_port)) {
		bpf_sk_release(sk);
		return DROP_NO_LISTENER;
	}
	failed = bpf_sk_assign(skb, sk, 0);
	bpf_sk_release(sk);
	return failed ? DROP_ASSIGN_FAILED : 0;
}

static __always_inline int assign_udp(
	struct __sk_buff *skb, struct bpf_sock_tuple *tuple, union handed_packet packet)
{
	struct bpf_sock *sk = find_udp(skb, tuple, packet.family);
	long failed;

	if (!sk)
		return DROP_NO_LISTENER;
	if (!is_bound_to(sk, tuple, packet.family) || !is_of_listener(sk, packet.proxy_port)) {
		bpf_sk_release(sk);
		return DROP_NO_LISTENER;
	}
	failed = bpf_sk_assign(skb, sk, 0);
	bpf_sk_release(sk);
	return failed ? DROP_ASSIGN_FAILED : 0;
}

/* Sees to it that the stack gives the packet to the proxy. 0, or the drop reason. A global function, verified once by itself. */
__noinline int hand_over(struct __sk_buff *skb, __u64 packed)
{
	union handed_packet packet = {.packed = packed};
	struct bpf_sock_tuple tuple = {};
	struct flow *flow = this_flow();

	if (!flow)
		return DROP_NO_CONFIG;
	/* Errors find their socket by what they quote. */
	if (packet.proxy_port == PROXY_CONNECTED || packet.icmp_error)
		return 0;
	if (packet.family == IPV4)
		read_tuple4(flow, &tuple);
	else
		read_tuple6(flow, &tuple);
	if (packet.protocol == IPPROTO_TCP && is_connected(skb, &tuple, packet))
		return 0;
	/* Put together again, a packet has forgotten what it was assigned to, and would be whoever's who listens on the node. */
	if (packet.fragment)
		return DROP_FRAGMENT_UNSUPPORTED;
	if (packet.protocol != IPPROTO_TCP && packet.protocol != IPPROTO_UDP)
		return DROP_PROXY_UNSUPPORTED;
	aim_at_listener(&tuple, packet.family, packet.proxy_port);
	return packet.protocol == IPPROTO_TCP ? assign_tcp(skb, &tuple, packet)
					      : assign_udp(skb, &tuple, packet);
}

/* The part of a connection that packets with the mark are of; CONNTRACK_CLIENT: of no proxy's own. */
static __always_inline enum conntrack_part part_by_mark(__u32 mark)
{
	mark &= PROXY_MARK_MASK;
	if (mark == MARK_OF_EGRESS_PROXY)
		return CONNTRACK_OF_EGRESS_PROXY;
	return mark == MARK_OF_INGRESS_PROXY ? CONNTRACK_OF_INGRESS_PROXY : CONNTRACK_CLIENT;
}

/* The entry of what a proxy sent to a server of this node hears that it was answered, and that it ended. */
static __always_inline void note_answer_to_proxy(
	struct flow *flow, union handed_packet packet, enum conntrack_part part)
{
	struct segment segment = {
		.protocol = packet.protocol,
		.tcp_flags = packet.tcp_flags,
		.source_high = flow->source_high,
	};
	struct conntrack_entry *entry;
	__u64 now = bpf_ktime_get_coarse_ns();

	if (packet.icmp_error)
		return;
	if (packet.family == IPV4)
		flow->key.v4.part = part;
	else
		flow->key.v6.part = part;
	entry = find_connection(packet.family, &flow->key, &segment, now);
	if (entry && segment.is_reply)
		refresh(&segment, entry, now);
}

/* What proxies connect to servers with has one of two marks, which nobody else's sockets can be given without CAP_NET_ADMIN
 * (or CAP_NET_RAW): neither those that proxies accepted, nor other sockets of the node, bound to whatever.
 */
static __always_inline bool is_connected_by_proxy(struct __sk_buff *skb, struct flow *flow,
	struct bpf_sock_tuple *tuple, union handed_packet packet)
{
	struct bpf_sock *sk = find_tcp(skb, tuple, packet.family), *full;
	enum conntrack_part part;

	if (!sk)
		return false;
	if (sk->state == BPF_TCP_TIME_WAIT) {
		/* It has no mark to be read. Only a proxy has a pod's address, and what follows is no data. */
		bpf_sk_release(sk);
		if (packet.tcp_flags & TCP_SYN)
			return false;
		note_answer_to_proxy(flow, packet, CONNTRACK_OF_EGRESS_PROXY);
		note_answer_to_proxy(flow, packet, CONNTRACK_OF_INGRESS_PROXY);
		return true;
	}
	full = sk->state == BPF_TCP_LISTEN ? 0 : bpf_sk_fullsock(sk);
	part = full ? part_by_mark(full->mark) : CONNTRACK_CLIENT;
	bpf_sk_release(sk);
	if (part == CONNTRACK_CLIENT)
		return false;
	note_answer_to_proxy(flow, packet, part);
	return true;
}

static __always_inline bool is_asked_by_proxy(struct __sk_buff *skb, struct flow *flow,
	struct bpf_sock_tuple *tuple, union handed_packet packet)
{
	struct bpf_sock *sk = find_udp(skb, tuple, packet.family);
	enum conntrack_part part;

	if (!sk)
		return false;
	part = is_bound_to(sk, tuple, packet.family) ? part_by_mark(sk->mark) : CONNTRACK_CLIENT;
	bpf_sk_release(sk);
	if (part == CONNTRACK_CLIENT)
		return false;
	note_answer_to_proxy(flow, packet, part);
	return true;
}

/* Whether a socket that a proxy connected to this packet's source, with its destination as its own address, is to have it. A
 * global function, verified once by itself.
 */
__noinline int is_of_proxy(struct __sk_buff *skb, __u64 packed)
{
	union handed_packet packet = {.packed = packed};
	struct bpf_sock_tuple tuple = {};
	struct flow *flow = this_flow();

	if (!flow)
		return false;
	if (packet.family == IPV4)
		read_tuple4(flow, &tuple);
	else
		read_tuple6(flow, &tuple);
	if (packet.protocol == IPPROTO_TCP)
		return is_connected_by_proxy(skb, flow, &tuple, packet);
	return packet.protocol == IPPROTO_UDP && is_asked_by_proxy(skb, flow, &tuple, packet);
}

/* A packet that is of no connection and might be an answer to a proxy. */
static __always_inline bool may_be_for_proxy(const struct packet *pkt)
{
	__u32 zero = 0;
	struct runtime *runtime;

	if (!enable_l7_proxy || pkt->part != CONNTRACK_CLIENT || !pkt->has_ports ||
		(pkt->destination_port & bpf_htons(UPSTREAM_PORT_MASK)) !=
			bpf_htons(UPSTREAM_PORT_BITS))
		return false;
	runtime = bpf_map_lookup_elem(&tsi_runtime, &zero);
	return runtime && runtime->proxies;
}

/* From an ingress hook: into the stack, and there to the proxy. */
static __always_inline int to_proxy(struct packet *pkt)
{
	int reason = hand_over(pkt->skb, handed(pkt).packed);

	if (unlikely(reason))
		return drop(pkt, reason);
	if (pkt->skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(pkt->skb, PACKET_HOST);
	pkt->skb->mark = MARK_TO_PROXY;
	return to_stack(pkt, TRACE_TO_PROXY);
}

/* From an egress hook, where sockets cannot be assigned: by tsi_host's ingress (bpf/to_proxy.bpf.c). */
static __always_inline int to_proxy_by_host(struct packet *pkt)
{
	pkt->skb->mark = MARK_TO_PROXY | (__u32)pkt->proxy_port << MARK_PORT_SHIFT;
	forwarded(pkt, TRACE_TO_PROXY);
	return bpf_redirect(tsi_host_ifindex, BPF_F_INGRESS);
}

#endif
