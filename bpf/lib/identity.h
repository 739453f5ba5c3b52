/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose address is it. */
#ifndef TSI_LIB_IDENTITY_H
#define TSI_LIB_IDENTITY_H

#include "lib/packet.h"
#include "maps/endpoint.h"
#include "maps/ipcache.h"

/* Cilium's reserved identities. */
enum reserved_identity {
	IDENTITY_UNKNOWN = 0,
	IDENTITY_HOST = 1,
	IDENTITY_WORLD = 2,
	IDENTITY_REMOTE_NODE = 6,
	IDENTITY_KUBE_APISERVER = 7,
	IDENTITY_WORLD_IPV4 = 9,
	IDENTITY_WORLD_IPV6 = 10,
};

/* The top byte is the scope; 0 is global, all others mean something on one node only. */
#define IDENTITY_SCOPE_SHIFT 24
/* Scope of nodes that have an identity each. */
#define IDENTITY_SCOPE_NODES 2

/* Below are reserved ones. */
#define IDENTITY_FIRST_ALLOCATED 256

static __always_inline bool is_pod_identity(__u32 identity)
{
	return identity >= IDENTITY_FIRST_ALLOCATED && !(identity >> IDENTITY_SCOPE_SHIFT);
}

static __always_inline bool is_node_identity(__u32 identity)
{
	return identity == IDENTITY_KUBE_APISERVER ||
	       identity >> IDENTITY_SCOPE_SHIFT == IDENTITY_SCOPE_NODES;
}

static __always_inline bool is_other_node(__u32 identity)
{
	return identity == IDENTITY_REMOTE_NODE || is_node_identity(identity);
}

static __always_inline struct endpoint *endpoint_of(const union v6addr *address)
{
	struct address_key key = {.address = *address};

	return bpf_map_lookup_elem(&tsi_ep_addr, &key);
}

static __always_inline bool is_host(const struct endpoint *endpoint)
{
	return endpoint->flags & ENDPOINT_HOST;
}

static __always_inline struct ipcache_entry *ipcache_find(const union v6addr *address)
{
	struct ipcache_key key = {.prefixlen = 128, .address = *address};

	return bpf_map_lookup_elem(&tsi_ipcache, &key);
}

/* Two worlds only where both families are (reference: dual stack). */
static __always_inline __u32 world_identity(enum family family)
{
	if (!enable_ipv4 || !enable_ipv6)
		return IDENTITY_WORLD;
	return family == IPV4 ? IDENTITY_WORLD_IPV4 : IDENTITY_WORLD_IPV6;
}

static __always_inline __u32 identity_or_world(
	const struct ipcache_entry *entry, enum family family)
{
	return entry && entry->identity ? entry->identity : world_identity(family);
}

#endif
