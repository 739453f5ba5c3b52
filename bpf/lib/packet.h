/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parser learns about a packet, passed from step to step.
 *
 * A step returns a verdict (TC_ACT_*) that ends the program, or CONTINUE. Every step is inlined
 * into its program once per family with pkt->family constant, so that the struct dissolves into
 * registers and a step written for both families costs neither of them a branch.
 */
#ifndef TSI_LIB_PACKET_H
#define TSI_LIB_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "lib/address.h"
#include "lib/reasons.h"
#include "maps/metrics.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Not a verdict: go on with the next step. Distinct from TC_ACT_UNSPEC (-1). */
#define CONTINUE (-100)
/* Nor these: the packet is for a service, or for a pod here, and saved for the function that goes on with it (lib/serve.h). */
#define SERVE (-101)
#define DELIVER (-102)

#define L3_OFFSET ETH_HLEN

enum family { IPV4 = 4, IPV6 = 6 };

/* skb->pkt_type of a frame addressed to the device that received it (linux/if_packet.h). */
#define PACKET_HOST 0

enum fragment {
	FRAGMENT_NONE = 0,
	FRAGMENT_FIRST = 1,
	/* Without an L4 header: ports come from the fragment map. */
	FRAGMENT_LATER = 2,
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

struct packet {
	struct __sk_buff *skb;
	union v6addr source;
	union v6addr destination;
	/* The far end of the flow this packet belongs to: its source, except for an ICMP error,
	 * which some router on the way may have sent about it.
	 */
	union v6addr flow_source;
	/* Of the flow as this packet travels it; ICMP echo ids as in maps/conntrack.h. */
	__be16 source_port;
	__be16 destination_port;
	__u16 l4_offset;
	/* Bytes from the IP header to the end of the L4 header. */
	__u16 header_length;
	/* ICMP errors: where the quoted packet's headers are. */
	__u16 quoted_l3_offset;
	__u16 quoted_l4_offset;
	enum family family;
	enum fragment fragment;
	enum direction direction;
	/* Of the flow: for an ICMP error that of the packet it quotes. */
	__u8 protocol;
	__u8 tcp_flags;
	__u8 icmp_type;
	/* TTL or hop limit. */
	__u8 hops;
	bool icmp_error;
	bool dont_fragment;
	/* Ports are known: not a fragment whose first one was not seen. */
	bool has_ports;
	bool is_reply;
	/* What it is to its connection (enum trace_reason), and TRACE_DUE if it is to be told of at TRACE_CONNECTIONS. */
	__u8 trace;
	/* What a denying rule wants the sender to hear: enum policy_response. */
	__u8 response;
	/* enum conntrack_part. */
	__u8 part;
	/* What the sender of a packet that is too big is told, bytes. */
	__u16 mtu;
	/* The local endpoint that an event is about. */
	__u16 endpoint_id;
	/* Listener of the proxy that is to have the packet, 0: none. */
	__u16 proxy_port;
	__u32 source_identity;
	__u32 destination_identity;
	/* Of an end that is a pod of this node; 0: it is not. */
	__u32 source_subject;
	__u32 destination_subject;
	/* Whose the addresses are (maps/conntrack.h); 0: not looked up yet. */
	__u32 source_owner;
	__u32 destination_owner;
	__u16 source_endpoint;
	__u16 destination_endpoint;
	/* Policy rule that decided, 0: none. */
	__u32 rule;
	/* Frontend that the flow was opened to (maps/service.h), 0: none. */
	__u32 frontend;
	/* Of a reply: the frontend that is to be its source, 0: none. */
	__u32 reply_frontend;
};

/* Verifier trick (6.1 to 6.18, clang 19): the context holds packet pointers in 32-bit fields, and
 * an optimiser that keeps such a load in a 32-bit register turns the pointer into a number
 * ("invalid access to packet"). Loads that it cannot see through prevent that. Gone when __sk_buff
 * has 64-bit pointers; try plain skb->data again with newer compilers.
 */
static __always_inline void *packet_start(struct __sk_buff *skb)
{
	void *start;

	asm volatile("%0 = *(u32 *)(%1 + %2)"
		: "=r"(start)
		: "r"(skb), "i"(__builtin_offsetof(struct __sk_buff, data)));
	return start;
}

static __always_inline void *packet_end(struct __sk_buff *skb)
{
	void *end;

	asm volatile("%0 = *(u32 *)(%1 + %2)"
		: "=r"(end)
		: "r"(skb), "i"(__builtin_offsetof(struct __sk_buff, data_end)));
	return end;
}

/* The device that the packet is at. By the same trick: an address into the context, kept for two loads, is refused. */
static __always_inline __u32 device_of(struct __sk_buff *skb)
{
	__u32 ifindex;

	asm volatile("%0 = *(u32 *)(%1 + %2)"
		: "=r"(ifindex)
		: "r"(skb), "i"(__builtin_offsetof(struct __sk_buff, ifindex)));
	return ifindex;
}

/* Headers end well before this; a mask. */
#define HEADERS_MASK 0xfff

/* Verifier trick (6.1): it forgets that two registers hold the same offset, so a bound that was
 * checked on one does not hold for the other. Masked in the very register that is used, it does.
 */
static __always_inline __u64 bounded(__u64 offset)
{
	asm volatile("%0 &= %1" : "+r"(offset) : "i"(HEADERS_MASK));
	return offset;
}

/* The size bytes at offset, made linear if need be; NULL if the packet is shorter. Pointers from
 * earlier calls are void afterwards, so steps copy values out.
 */
static __always_inline void *header_at(struct __sk_buff *skb, __u32 offset, __u32 size)
{
	__u64 at = __builtin_constant_p(offset) ? offset : bounded(offset);
	void *header = packet_start(skb) + at;

	if (likely(header + size <= packet_end(skb)))
		return header;
	if (bpf_skb_pull_data(skb, at + size))
		return 0;
	header = packet_start(skb) + at;
	return header + size <= packet_end(skb) ? header : 0;
}

#endif
