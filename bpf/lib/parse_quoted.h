/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet that an ICMP error quotes names the flow the error belongs to. It travelled the other
 * way, so with its ends swapped the error looks like a packet of that flow.
 */
#ifndef TSI_LIB_PARSE_QUOTED_H
#define TSI_LIB_PARSE_QUOTED_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include "lib/extension_headers.h"
#include "lib/icmp.h"
#include "lib/packet.h"
#include "lib/translation.h"

static __always_inline int read_quoted_l4(
	struct __sk_buff *skb, enum family family, struct quoted *quoted)
{
	/* RFC 792 promises eight bytes of it: the ports, or ICMP's type and id. */
	union {
		struct icmp_head icmp;
		__be16 ports[2];
	} head;

	if (bpf_skb_load_bytes(skb, quoted->l4_offset, &head, sizeof(head)))
		return DROP_TRUNCATED_L4;
	if (!is_icmp(family, quoted->protocol)) {
		quoted->source_port = head.ports[0];
		quoted->destination_port = head.ports[1];
	} else if (is_echo_request(family, head.icmp.type)) {
		quoted->source_port = head.icmp.id;
	} else if (is_echo_reply(family, head.icmp.type)) {
		quoted->destination_port = head.icmp.id;
	}
	return 0;
}

/* Global functions, verified once by themselves (see walk_extension_headers()). */
__noinline int read_quoted4(struct __sk_buff *skb)
{
	struct translation *translation = this_translation();
	struct quoted *quoted;
	struct iphdr ip;

	if (!translation)
		return DROP_INVALID_PACKET;
	quoted = &translation->quoted;
	if (bpf_skb_load_bytes(skb, quoted->l3_offset, &ip, sizeof(ip)))
		return DROP_INVALID_PACKET;
	/* Of a later fragment nobody can say whose it was. */
	if (ip.version != 4 || ip.ihl < 5 || ip.frag_off & bpf_htons(0x1fff))
		return DROP_INVALID_PACKET;
	quoted->source = mapped(ip.saddr);
	quoted->destination = mapped(ip.daddr);
	quoted->protocol = ip.protocol;
	quoted->l4_offset = quoted->l3_offset + ip.ihl * 4;
	return read_quoted_l4(skb, IPV4, quoted);
}

__noinline int read_quoted6(struct __sk_buff *skb)
{
	struct translation *translation = this_translation();
	struct extension_walk walk = {};
	struct quoted *quoted;
	struct ipv6hdr ip;

	if (!translation)
		return DROP_INVALID_PACKET;
	quoted = &translation->quoted;
	if (bpf_skb_load_bytes(skb, quoted->l3_offset, &ip, sizeof(ip)) || ip.version != 6)
		return DROP_INVALID_PACKET;
	walk.next_header = ip.nexthdr;
	walk.offset = quoted->l3_offset + sizeof(ip);
	if (walk_extension_headers(skb, &walk))
		return DROP_EXTENSION_HEADER;
	if (walk.fragment_offset)
		return DROP_INVALID_PACKET;
	__builtin_memcpy(&quoted->source, &ip.saddr, sizeof(quoted->source));
	__builtin_memcpy(&quoted->destination, &ip.daddr, sizeof(quoted->destination));
	quoted->protocol = walk.next_header;
	quoted->l4_offset = walk.offset;
	return read_quoted_l4(skb, IPV6, quoted);
}

/* Makes pkt a packet of the flow it is about. 0, or the drop reason. */
static __always_inline int parse_quoted(struct packet *pkt)
{
	struct translation *translation = this_translation();
	struct quoted *quoted;
	int reason;

	if (!translation)
		return DROP_NO_CONFIG;
	quoted = &translation->quoted;
	*quoted = (struct quoted){.l3_offset = pkt->l4_offset + sizeof(struct icmp_head)};
	reason = pkt->family == IPV4 ? read_quoted4(pkt->skb) : read_quoted6(pkt->skb);
	if (reason)
		return reason;
	/* Errors go to whoever sent the packet they quote. */
	if (!same_address(&quoted->source, &pkt->destination))
		return DROP_INVALID_PACKET;
	pkt->flow_source = quoted->destination;
	pkt->source_port = quoted->destination_port;
	pkt->destination_port = quoted->source_port;
	pkt->protocol = quoted->protocol;
	pkt->quoted_l3_offset = quoted->l3_offset;
	pkt->quoted_l4_offset = quoted->l4_offset;
	return 0;
}

#endif
