// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* cgroup hooks of the node's proxies, which are in a cgroup each.
 *
 *   bind()       a listener on a loopback address gets the mark by which packets are let to it and to no squatter
 *   connect()    a connection to a server from a client's address gets the mark by which its packets are known to have
 *                been judged, and a source port that answers are known by
 *
 * The latter only at connect(): sockets that are accepted have their listener's mark, and answers to clients must not have it.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "lib/address.h"
#include "lib/proxy_marks.h"
#include "maps/conntrack.h"

#define PROCEED 1
#define REFUSE 0

#define SOL_SOCKET 1
#define SO_REUSEADDR 2
#define SO_MARK 36

/* Of 8192 ports, each try finds a free one unless most are taken. */
#define PORT_TRIES 16

static __always_inline __be16 random_port(__u32 mark)
{
	__u16 first = UPSTREAM_PORT_BITS;

	if (mark == MARK_OF_EGRESS_PROXY)
		first |= UPSTREAM_PORT_OF_EGRESS;
	return bpf_htons(first + bpf_get_prandom_u32() % UPSTREAM_PORTS);
}

/* Whether a connection between these ends is there, or was a moment ago. Not somebody's listener. */
static __always_inline bool is_connected(
	struct bpf_sock_addr *ctx, struct bpf_sock_tuple *tuple, const __u32 size)
{
	struct bpf_sock *sk = bpf_skc_lookup_tcp(ctx, tuple, size, BPF_F_CURRENT_NETNS, 0);
	__u32 state;

	if (!sk)
		return false;
	state = sk->state;
	bpf_sk_release(sk);
	return state != BPF_TCP_LISTEN;
}

static __always_inline bool is_alive(const struct conntrack_entry *entry)
{
	return entry && entry->expires_ns > bpf_ktime_get_coarse_ns();
}

/* Whether a connection of the client's own with these ends is remembered, if only one that has just ended: what the server answers
 * would be taken for an answer to that.
 */
static __always_inline bool is_remembered4(struct bpf_sock_addr *ctx, __be32 client, __be16 port)
{
	__be32 server = ctx->user_ip4;
	__be16 server_port = ctx->user_port;
	bool high = client == server ? bpf_ntohs(port) > bpf_ntohs(server_port)
				     : bpf_ntohl(client) > bpf_ntohl(server);
	struct conntrack_key4 key = {
		.low_address = high ? server : client,
		.high_address = high ? client : server,
		.low_port = high ? server_port : port,
		.high_port = high ? port : server_port,
		.protocol = ctx->protocol,
		.part = CONNTRACK_CLIENT,
	};

	return is_alive(bpf_map_lookup_elem(&tsi_ct4, &key)) ||
	       is_alive(bpf_map_lookup_elem(&tsi_ct4_new, &key));
}

/* Whether the port is taken for this server: by the client itself, whose connection the proxy accepted (local is the server), or by
 * one that the proxy made, if only one that waits for its end (local is the client): connect() would refuse it.
 */
static __always_inline bool is_taken4(struct bpf_sock_addr *ctx, __be32 client, __be16 port)
{
	struct bpf_sock_tuple tuple = {};

	if (is_remembered4(ctx, client, port))
		return true;
	if (ctx->protocol != IPPROTO_TCP)
		return false;
	tuple.ipv4.saddr = client;
	tuple.ipv4.sport = port;
	tuple.ipv4.daddr = ctx->user_ip4;
	tuple.ipv4.dport = ctx->user_port;
	if (is_connected(ctx, &tuple, sizeof(tuple.ipv4)))
		return true;
	tuple.ipv4.daddr = client;
	tuple.ipv4.dport = port;
	tuple.ipv4.saddr = ctx->user_ip4;
	tuple.ipv4.sport = ctx->user_port;
	return is_connected(ctx, &tuple, sizeof(tuple.ipv4));
}

static __always_inline void read_server6(struct bpf_sock_addr *ctx, __be32 *server)
{
	server[0] = ctx->user_ip6[0];
	server[1] = ctx->user_ip6[1];
	server[2] = ctx->user_ip6[2];
	server[3] = ctx->user_ip6[3];
}

static __always_inline bool is_remembered6(
	struct bpf_sock_addr *ctx, const struct in6_addr *client, __be16 port)
{
	union v6addr server, source;
	__be16 server_port = ctx->user_port;
	struct conntrack_key6 key = {.protocol = ctx->protocol, .part = CONNTRACK_CLIENT};
	__u64 ours, theirs;
	bool high;

	read_server6(ctx, server.words);
	__builtin_memcpy(&source, client, sizeof(source));
	ours = bpf_be64_to_cpu(source.halves[0]);
	theirs = bpf_be64_to_cpu(server.halves[0]);
	if (ours == theirs) {
		ours = bpf_be64_to_cpu(source.halves[1]);
		theirs = bpf_be64_to_cpu(server.halves[1]);
	}
	high = ours == theirs ? bpf_ntohs(port) > bpf_ntohs(server_port) : ours > theirs;
	key.low_address = high ? server : source;
	key.high_address = high ? source : server;
	key.low_port = high ? server_port : port;
	key.high_port = high ? port : server_port;
	return is_alive(bpf_map_lookup_elem(&tsi_ct6, &key)) ||
	       is_alive(bpf_map_lookup_elem(&tsi_ct6_new, &key));
}

static __always_inline bool is_taken6(
	struct bpf_sock_addr *ctx, const struct in6_addr *client, __be16 port)
{
	struct bpf_sock_tuple tuple = {};

	if (is_remembered6(ctx, client, port))
		return true;
	if (ctx->protocol != IPPROTO_TCP)
		return false;
	__builtin_memcpy(tuple.ipv6.saddr, client, sizeof(*client));
	tuple.ipv6.sport = port;
	read_server6(ctx, tuple.ipv6.daddr);
	tuple.ipv6.dport = ctx->user_port;
	if (is_connected(ctx, &tuple, sizeof(tuple.ipv6)))
		return true;
	__builtin_memcpy(tuple.ipv6.daddr, client, sizeof(*client));
	tuple.ipv6.dport = port;
	read_server6(ctx, tuple.ipv6.saddr);
	tuple.ipv6.sport = ctx->user_port;
	return is_connected(ctx, &tuple, sizeof(tuple.ipv6));
}

static __always_inline bool bind_to4(struct bpf_sock_addr *ctx, __be32 client, __be16 port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = client};

	return !is_taken4(ctx, client, port) &&
	       !bpf_bind(ctx, (struct sockaddr *)&address, sizeof(address));
}

static __always_inline bool bind_to6(
	struct bpf_sock_addr *ctx, const struct in6_addr *client, __be16 port)
{
	struct sockaddr_in6 address = {
		.sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = *client};

	return !is_taken6(ctx, client, port) &&
	       !bpf_bind(ctx, (struct sockaddr *)&address, sizeof(address));
}

/* The mark first: a connection that could not be told from the client's own must not come to be. */
static __always_inline bool mark(struct bpf_sock_addr *ctx, __u32 mark)
{
	int one = 1;

	if (bpf_setsockopt(ctx, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		return false;
	/* Ports that wait for the end of an old connection may be used for another server. */
	bpf_setsockopt(ctx, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return true;
}

static __always_inline int connect4(struct bpf_sock_addr *ctx, __u32 value)
{
	struct bpf_sock *sk = ctx->sk;
	__be32 client;

	if (!sk)
		return REFUSE;
	client = sk->src_ip4;
	/* Not from a client's address: the proxy's own business. */
	if (!client)
		return PROCEED;
	if (!mark(ctx, value))
		return REFUSE;
	for (int i = 0; i < PORT_TRIES; i++)
		if (bind_to4(ctx, client, random_port(value)))
			return PROCEED;
	return REFUSE;
}

static __always_inline int connect6(struct bpf_sock_addr *ctx, __u32 value)
{
	struct bpf_sock *sk = ctx->sk;
	struct in6_addr client;

	if (!sk)
		return REFUSE;
	client.in6_u.u6_addr32[0] = sk->src_ip6[0];
	client.in6_u.u6_addr32[1] = sk->src_ip6[1];
	client.in6_u.u6_addr32[2] = sk->src_ip6[2];
	client.in6_u.u6_addr32[3] = sk->src_ip6[3];
	if (!(client.in6_u.u6_addr32[0] | client.in6_u.u6_addr32[1] | client.in6_u.u6_addr32[2] |
		    client.in6_u.u6_addr32[3]))
		return PROCEED;
	if (!mark(ctx, value))
		return REFUSE;
	for (int i = 0; i < PORT_TRIES; i++)
		if (bind_to6(ctx, &client, random_port(value)))
			return PROCEED;
	return REFUSE;
}

static __always_inline int mark_listener(struct bpf_sock_addr *ctx, bool loopback)
{
	__u32 value = listener_mark(bpf_ntohs((__be16)ctx->user_port));

	return !loopback || !bpf_setsockopt(ctx, SOL_SOCKET, SO_MARK, &value, sizeof(value));
}

static __always_inline int bind4(struct bpf_sock_addr *ctx)
{
	return mark_listener(ctx, ctx->user_ip4 == bpf_htonl(0x7f000001));
}

static __always_inline int bind6(struct bpf_sock_addr *ctx)
{
	return mark_listener(ctx, !(ctx->user_ip6[0] | ctx->user_ip6[1] | ctx->user_ip6[2]) &&
					  ctx->user_ip6[3] == bpf_htonl(1));
}

SEC("cgroup/bind4")
int tsi_egress_proxy_bind4(struct bpf_sock_addr *ctx)
{
	return bind4(ctx);
}

SEC("cgroup/bind6")
int tsi_egress_proxy_bind6(struct bpf_sock_addr *ctx)
{
	return bind6(ctx);
}

SEC("cgroup/bind4")
int tsi_ingress_proxy_bind4(struct bpf_sock_addr *ctx)
{
	return bind4(ctx);
}

SEC("cgroup/bind6")
int tsi_ingress_proxy_bind6(struct bpf_sock_addr *ctx)
{
	return bind6(ctx);
}

SEC("cgroup/connect4")
int tsi_egress_proxy_connect4(struct bpf_sock_addr *ctx)
{
	return connect4(ctx, MARK_OF_EGRESS_PROXY);
}

SEC("cgroup/connect6")
int tsi_egress_proxy_connect6(struct bpf_sock_addr *ctx)
{
	return connect6(ctx, MARK_OF_EGRESS_PROXY);
}

SEC("cgroup/connect4")
int tsi_ingress_proxy_connect4(struct bpf_sock_addr *ctx)
{
	return connect4(ctx, MARK_OF_INGRESS_PROXY);
}

SEC("cgroup/connect6")
int tsi_ingress_proxy_connect6(struct bpf_sock_addr *ctx)
{
	return connect6(ctx, MARK_OF_INGRESS_PROXY);
}

char _license[] SEC("license") = "Dual BSD/GPL";
