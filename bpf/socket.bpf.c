// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* cgroup hooks of the node's processes and its pods': a socket that asks for a service gets a backend at once, so that none
 * of its packets has to be rewritten.
 *
 *   connect(), sendmsg()         frontend -> backend            ECONNREFUSED when there is none
 *   recvmsg(), getpeername()     backend -> frontend
 *   bind()                       not to a port that is a service's node port
 *
 * IPv4-mapped addresses arrive at the IPv6 hooks, and our tables hold IPv4 addresses mapped: one program text serves both.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/errno.h>
#include "lib/event.h"
#include "lib/identity.h"
#include "lib/service.h"
#include "lib/socket_address.h"
#include "maps/node.h"

#define PROCEED 1
#define REFUSE 0

static __always_inline bool is_host_socket(struct bpf_sock_addr *ctx)
{
	return bpf_get_netns_cookie(ctx) == host_netns_cookie;
}

/* Pods' packets are balanced later where their sockets are not. */
static __always_inline bool is_served(struct bpf_sock_addr *ctx)
{
	if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
		return false;
	return !socket_lb_host_only || is_host_socket(ctx);
}

static __always_inline bool is_own_address(const union v6addr *address)
{
	struct endpoint *endpoint = endpoint_of(address);

	return endpoint && is_host(endpoint);
}

static __always_inline bool is_address_of_other_node(const union v6addr *address)
{
	struct address_key key = {.address = *address};

	return bpf_map_lookup_elem(&tsi_nodes, &key);
}

/* A port of any node: a NodePort on each of them, a HostPort on this one. Loopback is the node's for its own processes alone. */
static __always_inline struct frontend *frontend_by_port(
	struct bpf_sock_addr *ctx, const struct frontend_key *key)
{
	struct frontend *frontend = frontend_of_any_node(&key->address, key->port, key->protocol);

	if (!frontend)
		return 0;
	if (is_own_address(&key->address))
		return frontend;
	if (is_loopback(&key->address))
		return is_host_socket(ctx) ? frontend : 0;
	return frontend->flags & FRONTEND_NODE_PORT && is_address_of_other_node(&key->address)
		       ? frontend
		       : 0;
}

/* A service may claim any address, but not take a pod's traffic. */
static __always_inline bool is_pod(const union v6addr *address)
{
	struct endpoint *local = endpoint_of(address);
	struct ipcache_entry *remote;

	if (local)
		return !is_host(local);
	remote = ipcache_find(address);
	return remote && is_pod_identity(remote->identity);
}

/* What the socket asks for, NULL: no service, or one that its pod is excepted from. */
static __always_inline struct frontend *frontend_of(
	struct bpf_sock_addr *ctx, const struct frontend_key *key)
{
	struct frontend *frontend = bpf_map_lookup_elem(&tsi_lb_frontend, key);

	if (!frontend)
		frontend = frontend_by_port(ctx, key);
	if (!frontend || is_excepted(frontend, bpf_get_netns_cookie(ctx), key))
		return 0;
	/* A pod's loopback is its own. */
	if (is_loopback(&key->address) && !is_host_socket(ctx))
		return 0;
	return frontend->flags & (FRONTEND_EXTERNAL | FRONTEND_LOCAL_REDIRECT) &&
			       is_pod(&key->address)
		       ? 0
		       : frontend;
}

/* The backend that an earlier sendmsg() to the frontend got, 0: none, or one that does not serve any more. */
static __always_inline __u32 backend_of_before(const struct socket_flow_key *forth)
{
	struct socket_flow *flow = bpf_map_lookup_elem(&tsi_lb_socket, forth);

	return flow && bpf_map_lookup_elem(&tsi_lb_backend, &flow->backend) ? flow->backend : 0;
}

/* Remembers both ways what the socket's far end is in place of. */
static __always_inline void remember_socket(struct socket_flow_key *key,
	const struct frontend_key *frontend, const struct backend *backend, __u32 id)
{
	struct socket_flow flow = {
		.address = frontend->address, .port = frontend->port, .backend = id};

	key->kind = SOCKET_FLOW_BACK;
	key->address = backend->address;
	key->port = backend->port;
	bpf_map_update_elem(&tsi_lb_socket, key, &flow, BPF_ANY);
	key->kind = SOCKET_FLOW_FORTH;
	key->address = frontend->address;
	key->port = frontend->port;
	flow.address = backend->address;
	flow.port = backend->port;
	bpf_map_update_elem(&tsi_lb_socket, key, &flow, BPF_ANY);
}

static __always_inline __u32 new_backend(struct bpf_sock_addr *ctx, const struct frontend *frontend)
{
	struct affinity_key client = {.set = frontend->internal_set, .kind = AFFINITY_NETNS};

	client.client.halves[0] = bpf_get_netns_cookie(ctx);
	/* A socket keeps its backend by itself: any choice is as good as Maglev's. */
	return choose_backend(&client, bpf_get_prandom_u32());
}

static __always_inline void tell_translation(struct bpf_sock_addr *ctx,
	const struct frontend *frontend, const struct frontend_key *asked,
	const struct backend *backend)
{
	enum translation_point point = backend ? TRANSLATION_FORWARD : TRANSLATION_REFUSED;
	enum event_class class = backend ? EVENTS_TRACES : EVENTS_VERDICTS;
	struct socket_event *event = reserve_event(class, sizeof(*event));

	if (!event)
		return;
	event->header.kind = EVENT_TRANSLATION;
	event->header.code = point;
	event->header.direction = DIRECTION_EGRESS;
	event->header.frontend = frontend->id;
	event->frontend_address = asked->address;
	event->frontend_port = asked->port;
	event->protocol = asked->protocol;
	if (backend) {
		event->backend_address = backend->address;
		event->backend_port = backend->port;
	}
	event->socket_cookie = bpf_get_socket_cookie(ctx);
	event->cgroup_id = bpf_get_current_cgroup_id();
	event->netns_cookie = bpf_get_netns_cookie(ctx);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

/* What is to hear nothing goes on, to be dropped as a packet: but the node's own packets meet nobody who would. */
static __always_inline int refuse(struct bpf_sock_addr *ctx, const struct frontend *frontend,
	const struct frontend_key *asked)
{
	bool silent = is_silent(frontend->internal_set);

	if (silent && !is_host_socket(ctx))
		return PROCEED;
	tell_translation(ctx, frontend, asked, 0);
	bpf_set_retval(silent ? -EHOSTUNREACH : -ECONNREFUSED);
	return REFUSE;
}

static __always_inline int balance(
	struct bpf_sock_addr *ctx, struct socket_address *to, bool every_message)
{
	struct frontend_key key = {
		.address = to->address, .port = to->port, .protocol = ctx->protocol};
	struct socket_flow_key flow = {
		.cookie = bpf_get_socket_cookie(ctx),
		.address = to->address,
		.port = to->port,
		.kind = SOCKET_FLOW_FORTH,
	};
	struct frontend *frontend = frontend_of(ctx, &key);
	struct backend *backend;
	__u32 id = 0, known = 0;

	if (!frontend)
		return PROCEED;
	if (every_message)
		known = backend_of_before(&flow);
	id = known ? known : new_backend(ctx, frontend);
	backend = id ? bpf_map_lookup_elem(&tsi_lb_backend, &id) : 0;
	if (!backend)
		return refuse(ctx, frontend, &key);
	remember_socket(&flow, &key, backend, id);
	if (!known && trace_level())
		tell_translation(ctx, frontend, &key, backend);
	to->address = backend->address;
	to->port = backend->port;
	return PROCEED;
}

/* The frontend in place of a backend that this socket got through it. */
static __always_inline bool restore(struct bpf_sock_addr *ctx, struct socket_address *from)
{
	struct socket_flow_key key = {
		.cookie = bpf_get_socket_cookie(ctx),
		.address = from->address,
		.port = from->port,
		.kind = SOCKET_FLOW_BACK,
	};
	struct socket_flow *flow = bpf_map_lookup_elem(&tsi_lb_socket, &key);

	if (!flow)
		return false;
	from->address = flow->address;
	from->port = flow->port;
	return true;
}

static __always_inline int balance4(struct bpf_sock_addr *ctx, bool every_message)
{
	struct socket_address to = read_address4(ctx);
	int verdict = is_served(ctx) ? balance(ctx, &to, every_message) : PROCEED;

	if (verdict == PROCEED)
		write_address4(ctx, &to);
	return verdict;
}

static __always_inline int balance6(struct bpf_sock_addr *ctx, bool every_message)
{
	struct socket_address to = read_address6(ctx);
	int verdict = is_served(ctx) ? balance(ctx, &to, every_message) : PROCEED;

	if (verdict == PROCEED)
		write_address6(ctx, &to);
	return verdict;
}

static __always_inline int restore4(struct bpf_sock_addr *ctx)
{
	struct socket_address from = read_address4(ctx);

	if (is_served(ctx) && restore(ctx, &from))
		write_address4(ctx, &from);
	return PROCEED;
}

static __always_inline int restore6(struct bpf_sock_addr *ctx)
{
	struct socket_address from = read_address6(ctx);

	if (is_served(ctx) && restore(ctx, &from))
		write_address6(ctx, &from);
	return PROCEED;
}

static __always_inline bool is_taken(const union v6addr *any, __be16 port, __u8 protocol)
{
	struct frontend *frontend = frontend_find(any, port, protocol);

	return frontend && frontend->flags & FRONTEND_NODE_PORT;
}

/* A process of the node may not take what clients of a service are sent to. */
static __always_inline int check_bind(struct bpf_sock *ctx, bool ipv6)
{
	union v6addr any6 = {}, any4 = mapped(0);
	__be16 port = bpf_htons(ctx->src_port);

	if (!is_node_port(port) || bpf_get_netns_cookie(ctx) != host_netns_cookie)
		return PROCEED;
	/* An IPv6 socket may take IPv4's port too. */
	return is_taken(&any4, port, ctx->protocol) ||
			       (ipv6 && is_taken(&any6, port, ctx->protocol))
		       ? REFUSE
		       : PROCEED;
}

SEC("cgroup/connect4")
int tsi_connect4(struct bpf_sock_addr *ctx)
{
	return balance4(ctx, false);
}

SEC("cgroup/connect6")
int tsi_connect6(struct bpf_sock_addr *ctx)
{
	return balance6(ctx, false);
}

SEC("cgroup/sendmsg4")
int tsi_sendmsg4(struct bpf_sock_addr *ctx)
{
	return balance4(ctx, true);
}

SEC("cgroup/sendmsg6")
int tsi_sendmsg6(struct bpf_sock_addr *ctx)
{
	return balance6(ctx, true);
}

SEC("cgroup/recvmsg4")
int tsi_recvmsg4(struct bpf_sock_addr *ctx)
{
	return restore4(ctx);
}

SEC("cgroup/recvmsg6")
int tsi_recvmsg6(struct bpf_sock_addr *ctx)
{
	return restore6(ctx);
}

SEC("cgroup/getpeername4")
int tsi_getpeername4(struct bpf_sock_addr *ctx)
{
	return restore4(ctx);
}

SEC("cgroup/getpeername6")
int tsi_getpeername6(struct bpf_sock_addr *ctx)
{
	return restore6(ctx);
}

SEC("cgroup/post_bind4")
int tsi_post_bind4(struct bpf_sock *ctx)
{
	return check_bind(ctx, false);
}

SEC("cgroup/post_bind6")
int tsi_post_bind6(struct bpf_sock *ctx)
{
	return check_bind(ctx, true);
}

char _license[] SEC("license") = "Dual BSD/GPL";
