/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ports, TCP flags and ICMP's stand-ins for ports. */
#ifndef TSI_LIB_PARSE_L4_H
#define TSI_LIB_PARSE_L4_H

#include <linux/tcp.h>
#include <linux/udp.h>
#include "lib/icmp.h"
#include "lib/packet.h"

/* Not in linux/in.h of every libc's headers. */
#define PROTOCOL_SCTP 132

struct sctp_head {
	__be16 source;
	__be16 destination;
	__be32 verification_tag;
	__be32 checksum;
};

static __always_inline int parse_tcp(struct packet *pkt)
{
	struct tcphdr *tcp = header_at(pkt->skb, pkt->l4_offset, sizeof(*tcp));

	if (!tcp || tcp->doff < 5)
		return DROP_TRUNCATED_L4;
	pkt->source_port = tcp->source;
	pkt->destination_port = tcp->dest;
	pkt->tcp_flags = ((__u8 *)tcp)[13];
	pkt->header_length = pkt->l4_offset - L3_OFFSET + tcp->doff * 4;
	return 0;
}

static __always_inline int parse_udp(struct packet *pkt)
{
	struct udphdr *udp = header_at(pkt->skb, pkt->l4_offset, sizeof(*udp));

	if (!udp)
		return DROP_TRUNCATED_L4;
	pkt->source_port = udp->source;
	pkt->destination_port = udp->dest;
	pkt->header_length = pkt->l4_offset - L3_OFFSET + sizeof(*udp);
	return 0;
}

static __always_inline int parse_sctp(struct packet *pkt)
{
	struct sctp_head *sctp = header_at(pkt->skb, pkt->l4_offset, sizeof(*sctp));

	if (!sctp)
		return DROP_TRUNCATED_L4;
	pkt->source_port = sctp->source;
	pkt->destination_port = sctp->destination;
	return 0;
}

static __always_inline int parse_icmp(struct packet *pkt)
{
	struct icmp_head *icmp = header_at(pkt->skb, pkt->l4_offset, sizeof(*icmp));

	if (!icmp)
		return DROP_TRUNCATED_L4;
	pkt->icmp_type = icmp->type;
	pkt->icmp_error = is_icmp_error(pkt->family, icmp->type);
	if (is_echo_request(pkt->family, icmp->type))
		pkt->source_port = icmp->id;
	else if (is_echo_reply(pkt->family, icmp->type))
		pkt->destination_port = icmp->id;
	return 0;
}

/* 0 or the drop reason. Protocols without ports that we know have none: conntrack refuses them
 * later. */
static __always_inline int parse_l4(struct packet *pkt)
{
	pkt->has_ports = true;
	if (pkt->protocol == IPPROTO_TCP)
		return parse_tcp(pkt);
	if (pkt->protocol == IPPROTO_UDP)
		return parse_udp(pkt);
	if (is_icmp(pkt->family, pkt->protocol))
		return parse_icmp(pkt);
	if (pkt->protocol == PROTOCOL_SCTP)
		return parse_sctp(pkt);
	return 0;
}

#endif
