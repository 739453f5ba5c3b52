/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One notion of an address for both families. IPv4 is held as an IPv4-mapped IPv6 address
 * (::ffff:a.b.c.d, RFC 4291 2.5.5.2), so that every table keyed by address has one key layout and
 * every step that only compares addresses is written once. Network byte order throughout.
 */
#ifndef TSI_LIB_ADDRESS_H
#define TSI_LIB_ADDRESS_H

#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>

/* linux/socket.h is not for the kernel's side. */
#define AF_INET 2
#define AF_INET6 10

union v6addr {
	__u8 bytes[16];
	__be32 words[4];
	__u64 halves[2];
};

static __always_inline union v6addr mapped(__be32 ipv4)
{
	union v6addr address = {};

	address.words[2] = bpf_htonl(0xffff);
	address.words[3] = ipv4;
	return address;
}

/* A load-time constant's value. Not by memcpy with the volatile cast away: clang then takes the
 * initialiser in the source for the value.
 */
static __always_inline union v6addr constant_address(const volatile union v6addr *constant)
{
	union v6addr address;

	address.halves[0] = constant->halves[0];
	address.halves[1] = constant->halves[1];
	return address;
}

static __always_inline bool same_address(const union v6addr *a, const union v6addr *b)
{
	return a->halves[1] == b->halves[1] && a->halves[0] == b->halves[0];
}

/* Whether it is a load-time constant's, which then needs no room on the stack. */
static __always_inline bool is_constant(
	const union v6addr *a, const volatile union v6addr *constant)
{
	return a->halves[1] == constant->halves[1] && a->halves[0] == constant->halves[0];
}

static __always_inline bool no_address(const union v6addr *a)
{
	return !a->halves[0] && !a->halves[1];
}

static __always_inline bool is_mapped(const union v6addr *a)
{
	/* Without a branch: it is asked of every packet. */
	return !(a->halves[0] | (a->words[2] ^ bpf_htonl(0xffff)));
}

/* 0.0.0.0 or ::. */
static __always_inline bool is_unspecified(const union v6addr *a)
{
	return !a->halves[0] && !a->words[3] && (!a->words[2] || is_mapped(a));
}

/* The unspecified address of the same family. */
static __always_inline union v6addr unspecified_like(const union v6addr *a)
{
	union v6addr none = {};

	return is_mapped(a) ? mapped(0) : none;
}

static __always_inline bool is_link_local6(const union v6addr *a)
{
	return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static __always_inline bool is_multicast6(const union v6addr *a)
{
	return a->bytes[0] == 0xff;
}

/* Class D and the limited broadcast address: nothing that a pod's router forwards. */
static __always_inline bool is_multicast4(__be32 address)
{
	return (bpf_ntohl(address) >> 28) == 14 || address == bpf_htonl(0xffffffff);
}

#endif
