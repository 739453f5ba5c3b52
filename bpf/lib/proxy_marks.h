/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How packets that go to proxies, and those that come from them, are told apart. */
#ifndef TSI_LIB_PROXY_MARKS_H
#define TSI_LIB_PROXY_MARKS_H

/* skb->mark (Cilium's values, under MARK_MASK of lib/leave.h): to be delivered to a proxy, whose listener may stand in the
 * upper half; and of what proxies send to servers (bpf/proxy.bpf.c).
 */
#define MARK_TO_PROXY 0x0200
#define MARK_OF_INGRESS_PROXY 0x0a00
#define MARK_OF_EGRESS_PROXY 0x0b00
#define MARK_PORT_SHIFT 16
#define PROXY_MARK_MASK 0x0f00
/* Of sockets that proxies bound to a loopback address, and of those that these accepted: which listener's. Says nothing about
 * packets.
 */
#define MARK_LISTENER 0x00080000
#define MARK_LISTENER_SHIFT 20
#define LISTENER_PORT_BASE 10000
#define LISTENER_PORTS 2048

static __always_inline __u32 listener_mark(__u16 port)
{
	return MARK_LISTENER | (__u32)((port - LISTENER_PORT_BASE) & (LISTENER_PORTS - 1))
				       << MARK_LISTENER_SHIFT;
}

/* In packet.proxy_port: the packet is for a socket that a proxy connected. No listener has it. */
#define PROXY_CONNECTED 1

/* Source ports of proxies' own connections: 16384 to 32767. Pods' and nodes' ephemeral ports are above, NodePorts never a pod's. The
 * lower half is ingress proxies', the upper half egress proxies': an egress proxy cannot know which ports the proxy of the server's
 * node has towards the same server, for the same client.
 */
#define UPSTREAM_PORT_MASK 0xc000
#define UPSTREAM_PORT_BITS 0x4000
#define UPSTREAM_PORT_OF_EGRESS 0x2000
#define UPSTREAM_PORTS 0x2000

#endif
