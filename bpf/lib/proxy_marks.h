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
/* Of sockets that proxies bound to a loopback address, and of those that they accepted: says nothing about packets. */
#define MARK_LISTENER 0x00080000

/* Source ports of proxies' own connections: 16384 to 32767. Pods' and nodes' ephemeral ports are above, NodePorts never a pod's. */
#define UPSTREAM_PORT_MASK 0xc000
#define UPSTREAM_PORT_BITS 0x4000

#endif
