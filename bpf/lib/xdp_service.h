/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What packets of services are to become, by the tables that tc uses. Only frame.packet changes: the frame follows when its way is
 * known. false: this is for tc, which finds in the tables what was written to them here.
 */
#ifndef TSI_LIB_XDP_SERVICE_H
#define TSI_LIB_XDP_SERVICE_H

#include "lib/dsr.h"
#include "lib/outside.h"
#include "lib/xdp_frame.h"

/* A frontend that is the address of a pod here stands back. */
static __always_inline bool is_for_service(
	const struct packet *pkt, struct balance *balance, bool for_node_address)
{
	struct frontend *frontend;
	struct endpoint *endpoint;

	describe_question(pkt, balance);
	frontend = bpf_map_lookup_elem(&tsi_lb_frontend, &balance->asked);
	if (!frontend)
		return false;
	balance->frontend = *frontend;
	endpoint = for_node_address ? 0 : endpoint_of(&pkt->destination);
	return !endpoint || is_host(endpoint);
}

/* Whether the packet opened a flow. What ends one that nobody remembers is for tc: coming second there, it would end it again. */
static __always_inline bool is_new_flow(const struct packet *pkt, const struct balance *balance)
{
	if (ends_flow(balance) || is_martian(pkt) || is_tunnelled(ipcache_find(&pkt->source)))
		return false;
	return !open_service_flow();
}

/* Whether there is a backend for the packet, and not here. */
static __always_inline bool choose_backend_elsewhere(
	const struct packet *pkt, struct balance *balance)
{
	bool told = trace_level();

	describe_flow(pkt, balance);
	if (admit() || endpoint_of(&pkt->source))
		return false;
	/* What is to be told, tc tells: traces are made of skbs. */
	if (told && has_told_flags(pkt))
		return false;
	if (recall_backend() && (told || !is_new_flow(pkt, balance)))
		return false;
	return !endpoint_of(&balance->backend);
}

/* Whether the packet fits the tunnel; who it is from there. */
static __always_inline bool enter_tunnel(
	struct frame *frame, const struct balance *balance, const struct ipcache_entry *remote)
{
	const struct packet *pkt = &frame->packet;
	__u32 identity = identity_or_world(ipcache_find(&pkt->source), pkt->family);

	/* The checksum around is made from the one inside (write_checksum6()). */
	if (frame->unsummed && !is_mapped(&remote->tunnel_endpoint))
		return false;
	frame->remote = remote;
	frame->vni = identity_to_vni(identity, pkt->family);
	frame->hash = hash_flow(&balance->key);
	return frame->length <= tunnel_mtu;
}

static __always_inline bool wants_direct_answers(const struct balance *balance)
{
	return enable_dsr && balance->frontend.flags & FRONTEND_DSR;
}

/* Asked only where something depends on it: the table is the slowest of all. */
static __always_inline const struct ipcache_entry *home_of_backend(const struct balance *balance)
{
	if (routing_mode == ROUTING_TUNNEL || wants_direct_answers(balance))
		return ipcache_find(&balance->backend);
	return 0;
}

/* Whether the packet goes on to its backend from here, with new ends then. */
static __always_inline bool to_backend_elsewhere(struct frame *frame, struct balance *balance)
{
	struct translation *translation = this_translation();
	struct packet *pkt = &frame->packet;
	const struct ipcache_entry *remote;

	if (!translation || !choose_backend_elsewhere(pkt, balance))
		return false;
	remote = home_of_backend(balance);
	if (is_tunnelled(remote) && !enter_tunnel(frame, balance, remote))
		return false;
	pkt->destination = balance->backend;
	pkt->destination_port = balance->backend_port;
	/* Pods' nodes see to it that clients get their answers directly; what has to be said to them, tc says. */
	if (wants_direct_answers(balance) && remote && is_pod_identity(remote->identity))
		return !enable_dsr_ipip && !says_frontend(pkt);
	pkt->frontend = balance->frontend.id;
	if (find_place(pkt, frame->remote))
		return false;
	pkt->source = translation->target.address;
	pkt->source_port = translation->target.port;
	return true;
}

/* Whether the packet answers a client that the node stood in for, with new ends then. */
static __always_inline bool to_client(struct frame *frame)
{
	struct translation *translation = this_translation();
	struct packet *pkt = &frame->packet;
	struct frontend_address *frontend;
	__u32 id;

	if (!translation)
		return false;
	flow_tuple(pkt, NAT_REVERSE, &translation->tuple);
	if (trace_level() && has_told_flags(pkt))
		return false;
	if (!nat_find(NAT_WAY, true) || !translation->target.frontend)
		return false;
	id = translation->target.frontend;
	frontend = bpf_map_lookup_elem(&tsi_lb_address, &id);
	if (!frontend || is_unspecified(&frontend->address))
		return false;
	pkt->destination = translation->target.address;
	pkt->destination_port = translation->target.port;
	pkt->source = frontend->address;
	pkt->source_port = frontend->port;
	return true;
}

#endif
