/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The address that a socket's hook is about, read and written in the way that the kernel allows for each family. */
#ifndef TSI_LIB_SOCKET_ADDRESS_H
#define TSI_LIB_SOCKET_ADDRESS_H

#include <linux/bpf.h>
#include "lib/address.h"

struct socket_address {
	union v6addr address;
	__be16 port;
};

/* 127.0.0.0/8 and ::1. */
static __always_inline bool is_loopback(const union v6addr *address)
{
	if (is_mapped(address))
		return address->bytes[12] == 127;
	return !address->halves[0] && address->halves[1] == bpf_cpu_to_be64(1);
}

/* user_port is the 16-bit port in network byte order, in a 32-bit field. */
static __always_inline struct socket_address read_address4(struct bpf_sock_addr *ctx)
{
	return (struct socket_address){.address = mapped(ctx->user_ip4), .port = ctx->user_port};
}

static __always_inline struct socket_address read_address6(struct bpf_sock_addr *ctx)
{
	struct socket_address read = {.port = ctx->user_port};

	read.address.words[0] = ctx->user_ip6[0];
	read.address.words[1] = ctx->user_ip6[1];
	read.address.words[2] = ctx->user_ip6[2];
	read.address.words[3] = ctx->user_ip6[3];
	return read;
}

/* An IPv4 socket can be given an IPv4 address only. */
static __always_inline void write_address4(
	struct bpf_sock_addr *ctx, const struct socket_address *address)
{
	ctx->user_ip4 = address->address.words[3];
	ctx->user_port = address->port;
}

static __always_inline void write_address6(
	struct bpf_sock_addr *ctx, const struct socket_address *address)
{
	ctx->user_ip6[0] = address->address.words[0];
	ctx->user_ip6[1] = address->address.words[1];
	ctx->user_ip6[2] = address->address.words[2];
	ctx->user_ip6[3] = address->address.words[3];
	ctx->user_port = address->port;
}

#endif
