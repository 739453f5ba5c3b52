/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Direct server return: the packet keeps its client's address, and tells the backend's node which frontend to answer as, in Cilium's
 * IPv4 option and IPv6 destination option. TCP says it once, in its SYN; what has no first packet says it in each.
 *
 *   client -> frontend   [node A]   client -> backend (option: frontend)   [node B]   frontend -> client
 *
 * The option is believed only if it names a frontend that answers so, and in tunnel mode only out of the tunnel.
 */
#ifndef TSI_LIB_DSR_H
#define TSI_LIB_DSR_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stddef.h>
#include "lib/balance.h"
#include "lib/checksum.h"
#include "lib/packet.h"
#include "lib/serve.h"

/* Copied into fragments, class 0, number 26. */
#define DSR_OPTION4 0x9a
/* To be skipped by who does not know it (RFC 8200 4.2). */
#define DSR_OPTION6 0x1b

struct dsr_option4 {
	__u8 type;
	__u8 length;
	__be16 port;
	__be32 address;
};

/* A destination options header. */
struct dsr_option6 {
	__u8 next_header;
	/* In units of 8 bytes, the first not counted. */
	__u8 header_length;
	__u8 type;
	/* Of what follows. */
	__u8 length;
	__u8 address[16];
	__be16 port;
	__be16 padding;
};

struct dsr_head4 {
	struct iphdr ip;
	struct dsr_option4 option;
};

struct dsr_head6 {
	struct ipv6hdr ip;
	struct dsr_option6 option;
};

#define DSR_ROOM_FLAGS (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET)

static __always_inline void checksum_head4(struct dsr_head4 *head)
{
	head->ip.check = 0;
	head->ip.check = fold_checksum(bpf_csum_diff(0, 0, (__be32 *)head, sizeof(*head), 0));
}

/* The frontend is this_balance()'s. 0, or the drop reason. Global functions, verified once by themselves. */
__noinline int add_dsr4(struct __sk_buff *skb)
{
	struct balance *balance = this_balance();
	struct dsr_head4 head = {};

	if (!balance || bpf_skb_load_bytes(skb, L3_OFFSET, &head.ip, sizeof(head.ip)))
		return DROP_INVALID_PACKET;
	/* With options already there the header may have no room. */
	if (head.ip.ihl != 5)
		return DROP_DSR_UNSUPPORTED;
	if (bpf_skb_adjust_room(skb, sizeof(head.option), BPF_ADJ_ROOM_NET, DSR_ROOM_FLAGS))
		return DROP_WRITE_ERROR;
	head.ip.ihl = sizeof(head) / 4;
	head.ip.tot_len = bpf_htons(bpf_ntohs(head.ip.tot_len) + sizeof(head.option));
	head.option.type = DSR_OPTION4;
	head.option.length = sizeof(head.option);
	head.option.port = balance->key.frontend_port;
	head.option.address = balance->key.frontend.words[3];
	checksum_head4(&head);
	return bpf_skb_store_bytes(skb, L3_OFFSET, &head, sizeof(head), 0) ? DROP_WRITE_ERROR : 0;
}

__noinline int add_dsr6(struct __sk_buff *skb)
{
	struct balance *balance = this_balance();
	struct dsr_head6 head = {};

	if (!balance || bpf_skb_load_bytes(skb, L3_OFFSET, &head.ip, sizeof(head.ip)))
		return DROP_INVALID_PACKET;
	if (bpf_skb_adjust_room(skb, sizeof(head.option), BPF_ADJ_ROOM_NET, DSR_ROOM_FLAGS))
		return DROP_WRITE_ERROR;
	head.option.next_header = head.ip.nexthdr;
	head.option.header_length = sizeof(head.option) / 8 - 1;
	head.option.type = DSR_OPTION6;
	head.option.length = sizeof(head.option) - offsetof(struct dsr_option6, address);
	__builtin_memcpy(head.option.address, &balance->key.frontend, sizeof(head.option.address));
	head.option.port = balance->key.frontend_port;
	head.ip.nexthdr = IPPROTO_DSTOPTS;
	head.ip.payload_len = bpf_htons(bpf_ntohs(head.ip.payload_len) + sizeof(head.option));
	return bpf_skb_store_bytes(skb, L3_OFFSET, &head, sizeof(head), 0) ? DROP_WRITE_ERROR : 0;
}

/* Takes the option off. Whether there was one; the frontend that it names is this_balance()'s then. */
__noinline int strip_dsr4(struct __sk_buff *skb)
{
	struct balance *balance = this_balance();
	struct dsr_head4 head;

	if (!balance || bpf_skb_load_bytes(skb, L3_OFFSET, &head, sizeof(head)))
		return false;
	if (head.ip.version != 4 || head.ip.ihl != sizeof(head) / 4 ||
		head.option.type != DSR_OPTION4 || head.option.length != sizeof(head.option))
		return false;
	if (bpf_skb_adjust_room(skb, -(__s32)sizeof(head.option), BPF_ADJ_ROOM_NET, DSR_ROOM_FLAGS))
		return false;
	balance->key.frontend = mapped(head.option.address);
	balance->key.frontend_port = head.option.port;
	head.ip.ihl = 5;
	head.ip.tot_len = bpf_htons(bpf_ntohs(head.ip.tot_len) - sizeof(head.option));
	checksum4(&head.ip);
	return !bpf_skb_store_bytes(skb, L3_OFFSET, &head.ip, sizeof(head.ip), 0);
}

__noinline int strip_dsr6(struct __sk_buff *skb)
{
	struct balance *balance = this_balance();
	struct dsr_head6 head;

	if (!balance || bpf_skb_load_bytes(skb, L3_OFFSET, &head, sizeof(head)))
		return false;
	if (head.ip.version != 6 || head.ip.nexthdr != IPPROTO_DSTOPTS ||
		head.option.header_length != sizeof(head.option) / 8 - 1 ||
		head.option.type != DSR_OPTION6 ||
		head.option.length != sizeof(head.option) - offsetof(struct dsr_option6, address))
		return false;
	if (bpf_skb_adjust_room(skb, -(__s32)sizeof(head.option), BPF_ADJ_ROOM_NET, DSR_ROOM_FLAGS))
		return false;
	__builtin_memcpy(&balance->key.frontend, head.option.address, sizeof(head.option.address));
	balance->key.frontend_port = head.option.port;
	head.ip.nexthdr = head.option.next_header;
	head.ip.payload_len = bpf_htons(bpf_ntohs(head.ip.payload_len) - sizeof(head.option));
	return !bpf_skb_store_bytes(skb, L3_OFFSET, &head.ip, sizeof(head.ip), 0);
}

static __always_inline bool says_frontend(const struct packet *pkt)
{
	if (pkt->icmp_error || pkt->fragment == FRAGMENT_LATER)
		return false;
	return pkt->protocol != IPPROTO_TCP || (pkt->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* Bytes that the option adds. */
static __always_inline __u32 dsr_length(enum family family)
{
	return family == IPV4 ? sizeof(struct dsr_option4) : sizeof(struct dsr_option6);
}

/* Says the frontend, where this packet is one that does. 0, or the drop reason. */
static __always_inline int add_dsr(const struct packet *pkt)
{
	if (!says_frontend(pkt))
		return 0;
	return pkt->family == IPV4 ? add_dsr4(pkt->skb) : add_dsr6(pkt->skb);
}

/* To be called before the packet is parsed. Whether it said its frontend. */
static __always_inline bool strip_dsr(const struct packet *pkt)
{
	return enable_dsr && (pkt->family == IPV4 ? strip_dsr4(pkt->skb) : strip_dsr6(pkt->skb));
}

/* The frontend that a packet said, 0 for none. A node port of another node's is any node's here. A global function, so that the
 * verifier follows the rest of the program once.
 */
__noinline __u32 said_frontend(bool said, __u8 protocol)
{
	struct balance *balance = this_balance();
	struct frontend *frontend;

	if (!said || !balance)
		return 0;
	balance->asked = (struct frontend_key){
		.address = balance->key.frontend,
		.port = balance->key.frontend_port,
		.protocol = protocol,
	};
	frontend = bpf_map_lookup_elem(&tsi_lb_frontend, &balance->asked);
	balance->by_port = !frontend;
	if (!frontend)
		frontend = frontend_by_port(&balance->asked);
	return frontend && frontend->flags & FRONTEND_DSR ? frontend->id : 0;
}

/* What a packet said that a pod takes in: only now, for anybody can say anything. frontend: 0 for packets that said nothing. Global, as
 * said_frontend() is.
 */
__noinline int note_said(__u32 frontend, __u8 family, __u8 tcp_flags)
{
	struct balance *balance = this_balance();

	if (!frontend || !balance || !balance->by_port)
		return 0;
	return write_answer(frontend, family, tcp_flags);
}

/* After track(): the answers of this flow get the frontend that its packet said. */
static __always_inline void believe(const struct packet *pkt)
{
	struct balance *balance = this_balance();

	if (!enable_dsr || unlikely(!balance))
		return;
	balance->key.client = pkt->flow_source;
	balance->key.client_port = pkt->source_port;
	balance->key.protocol = pkt->protocol;
	balance->backend = pkt->destination;
	balance->backend_port = pkt->destination_port;
	note_said(
		pkt->is_reply || pkt->icmp_error ? 0 : pkt->frontend, pkt->family, pkt->tcp_flags);
}

#endif
