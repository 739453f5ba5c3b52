/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Balancing per packet: a flow's first packet chooses, the others follow it as long as its backend is there.
 *
 *   client --> frontend            tsi_lb_flow{client, frontend} -> backend
 *   client --> backend             tsi_ct*: the connection, with its frontend
 *   client <-- frontend            restore_frontend(), where conntrack knows the reply
 */
#ifndef TSI_LIB_BALANCE_H
#define TSI_LIB_BALANCE_H

#include "lib/conntrack_entry.h"
#include "lib/service.h"
#include "maps/balance.h"
#include "maps/node.h"

/* This CPU's packet under consideration: see this_flow(). */
static __always_inline struct balance *this_balance(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tsi_balance, &zero);
}

static __always_inline __u64 service_flow_deadline(const struct balance *balance, __u16 flags)
{
	struct segment segment = {
		.protocol = balance->key.protocol, .tcp_flags = balance->tcp_flags};
	__u64 now = bpf_ktime_get_coarse_ns();

	if (flags & SERVICE_FLOW_CLOSED)
		return now + ct_lifetime_tcp_fin * NSEC_PER_SEC;
	return now + lifetime_ns(&segment);
}

static __always_inline bool ends_flow(const struct balance *balance)
{
	return balance->key.protocol == IPPROTO_TCP && balance->tcp_flags & (TCP_FIN | TCP_RST);
}

static __always_inline bool opens_flow(const struct balance *balance)
{
	return balance->key.protocol == IPPROTO_TCP &&
	       (balance->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

static __always_inline void refresh_service_flow(
	const struct balance *balance, struct service_flow *flow)
{
	__u64 deadline;

	if (balance->icmp_error)
		return;
	if (unlikely(ends_flow(balance)))
		flow->flags |= SERVICE_FLOW_CLOSED;
	deadline = service_flow_deadline(balance, flow->flags);
	/* At most once a second, unless it gets shorter. */
	if ((__s64)(deadline - flow->expires_ns) > (__s64)NSEC_PER_SEC ||
		flow->flags & SERVICE_FLOW_CLOSED)
		flow->expires_ns = deadline;
}

static __always_inline bool is_live(const struct balance *balance, const struct service_flow *flow)
{
	if (!flow || flow->expires_ns < bpf_ktime_get_coarse_ns())
		return false;
	return !(flow->flags & SERVICE_FLOW_CLOSED && opens_flow(balance));
}

/* The backend that the flow has, NULL: none, or one that is gone. */
static __always_inline struct backend *known_backend(struct balance *balance)
{
	struct service_flow *flow = bpf_map_lookup_elem(&tsi_lb_flow, &balance->key);
	struct backend *backend;

	if (!is_live(balance, flow))
		return 0;
	backend = bpf_map_lookup_elem(&tsi_lb_backend, &flow->backend);
	if (backend)
		refresh_service_flow(balance, flow);
	return backend;
}

static __always_inline struct backend *new_backend(struct balance *balance)
{
	struct service_flow *flow = &balance->flow;

	balance->client = (struct affinity_key){.client = balance->key.client, .set = balance->set};
	*flow = (struct service_flow){
		.backend = choose_backend(&balance->client, hash_flow(&balance->key)),
		.expires_ns = service_flow_deadline(balance, 0),
	};
	if (!flow->backend)
		return 0;
	/* Not remembered when there is no room: the next packet chooses again. */
	bpf_map_update_elem(&tsi_lb_flow, &balance->key, flow, BPF_ANY);
	return bpf_map_lookup_elem(&tsi_lb_backend, &flow->backend);
}

static __always_inline int answer_balance(struct balance *balance, const struct backend *backend)
{
	if (!backend)
		return DROP_NO_BACKEND;
	balance->backend = backend->address;
	balance->backend_port = backend->port;
	return 0;
}

/* A port of another node: the frontend of any node's, since there is none for each. */
static __always_inline struct frontend *frontend_by_port(const struct frontend_key *asked)
{
	struct address_key node = {.address = asked->address};
	struct frontend *frontend;

	if (!is_node_port(asked->port) || !bpf_map_lookup_elem(&tsi_nodes, &node))
		return 0;
	frontend = frontend_of_any_node(&asked->address, asked->port, asked->protocol);
	return frontend && frontend->flags & FRONTEND_NODE_PORT ? frontend : 0;
}

/* Whether a pod asked for a service that it is not excepted from: fills frontend. A global function, verified once by itself. */
__noinline int find_frontend_of_pod(__u64 netns_cookie)
{
	struct balance *balance = this_balance();
	struct frontend *frontend;

	if (!balance)
		return false;
	frontend = bpf_map_lookup_elem(&tsi_lb_frontend, &balance->asked);
	balance->by_port = !frontend;
	if (!frontend)
		frontend = frontend_by_port(&balance->asked);
	if (!frontend || is_excepted(frontend, netns_cookie, &balance->asked))
		return false;
	balance->frontend = *frontend;
	balance->set = frontend->internal_set;
	return true;
}

/* The backend of the flow that this packet belongs to. 0, or DROP_NO_BACKEND. Global functions, verified once by
 * themselves.
 */
__noinline int recall_backend(void)
{
	struct balance *balance = this_balance();

	if (!balance)
		return DROP_NO_BACKEND;
	balance->opened = false;
	return answer_balance(balance, known_backend(balance));
}

/* Makes the packet the first of a flow. 0, or the drop reason. */
__noinline int open_service_flow(void)
{
	struct balance *balance = this_balance();
	struct backend *backend;

	if (!balance)
		return DROP_NO_CONFIG;
	/* An error about a flow that nobody remembers opens none. */
	balance->silent = balance->icmp_error;
	if (balance->icmp_error)
		return DROP_NO_BACKEND;
	backend = new_backend(balance);
	balance->opened = !!backend;
	if (!backend)
		balance->silent = is_silent(balance->set);
	return answer_balance(balance, backend);
}

#endif
