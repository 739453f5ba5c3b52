/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose service an address and port is, and which backend a new flow of it gets. Nothing here looks at a packet: programs of
 * sockets, tc and XDP share it.
 */
#ifndef TSI_LIB_SERVICE_H
#define TSI_LIB_SERVICE_H

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "lib/address.h"
#include "maps/service.h"

#define NSEC_PER_SECOND 1000000000ULL

static __always_inline struct frontend *frontend_find(
	const union v6addr *address, __be16 port, __u8 protocol)
{
	struct frontend_key key = {.address = *address, .port = port, .protocol = protocol};

	return bpf_map_lookup_elem(&tsi_lb_frontend, &key);
}

/* Whether the address is some service's, whatever the port. */
static __always_inline bool is_service_address(const union v6addr *address)
{
	return frontend_find(address, 0, 0);
}

static __always_inline bool is_node_port(__be16 port)
{
	return bpf_ntohs(port) >= node_port_min && bpf_ntohs(port) <= node_port_max;
}

/* What is meant by that port of any node, asked for at an address of one. */
static __always_inline struct frontend *frontend_of_any_node(
	const union v6addr *address, __be16 port, __u8 protocol)
{
	union v6addr any = unspecified_like(address);

	return frontend_find(&any, port, protocol);
}

/* A round of xxHash32, as published by Yann Collet. */
static __always_inline __u32 hash_word(__u32 hash, __u32 word)
{
	hash += word * 3266489917U;
	hash = (hash << 17) | (hash >> 15);
	return hash * 668265263U;
}

static __always_inline __u32 hash_address(__u32 hash, const union v6addr *address)
{
	hash = hash_word(hash, address->words[0]);
	hash = hash_word(hash, address->words[1]);
	hash = hash_word(hash, address->words[2]);
	return hash_word(hash, address->words[3]);
}

/* Of a flow as its client sends it: the same on every node. */
static __always_inline __u32 hash_flow(const struct service_flow_key *key)
{
	__u32 hash = maglev_seed;

	hash = hash_address(hash, &key->client);
	hash = hash_address(hash, &key->frontend);
	hash = hash_word(hash, (__u32)key->client_port << 16 | key->frontend_port);
	hash = hash_word(hash, key->protocol);
	hash ^= hash >> 15;
	hash *= 2246822519U;
	hash ^= hash >> 13;
	hash *= 3266489917U;
	return hash ^ (hash >> 16);
}

static __always_inline __u32 pick_by_hash(__u32 set, __u32 hash)
{
	void *table = bpf_map_lookup_elem(&tsi_lb_maglev, &set);
	__u32 at = hash % maglev_size;
	__u32 *backend = table ? bpf_map_lookup_elem(table, &at) : 0;

	return backend ? *backend : 0;
}

/* At random, as the hash is: so a flow that was evicted, by a flood of others' first packets say, finds its backend again as long as
 * the set is the same.
 */
static __always_inline __u32 pick_at_random(__u32 set, __u32 count, __u32 hash)
{
	struct backend_slot_key key = {.set = set, .slot = hash % count};
	__u32 *backend = bpf_map_lookup_elem(&tsi_lb_slot, &key);

	/* The set shrank since its count was read: the first slot is the last to go. */
	if (!backend) {
		key.slot = 0;
		backend = bpf_map_lookup_elem(&tsi_lb_slot, &key);
	}
	return backend ? *backend : 0;
}

/* A backend for a flow with this hash, 0: the set has none. A global function, verified once by itself. */
__noinline __u32 pick_backend(__u32 set_id, __u32 hash)
{
	struct backend_set *set = bpf_map_lookup_elem(&tsi_lb_set, &set_id);
	__u32 backend = 0;

	if (!set || !set->count)
		return 0;
	if (set->algorithm == BACKEND_MAGLEV)
		backend = pick_by_hash(set_id, hash);
	return backend ? backend : pick_at_random(set_id, set->count, hash);
}

static __always_inline bool is_member(__u32 set, __u32 backend)
{
	struct backend_slot_key key = {.set = set, .slot = backend | BACKEND_MEMBER_KEY};

	return bpf_map_lookup_elem(&tsi_lb_slot, &key);
}

/* The backend that the client stays with, 0: none that still serves the set. */
static __always_inline __u32 recall_affinity(const struct affinity_key *key, __u32 timeout_s)
{
	struct affinity *affinity = bpf_map_lookup_elem(&tsi_lb_affinity, key);
	__u64 now = bpf_ktime_get_coarse_ns();

	if (!affinity || now - affinity->used_ns > timeout_s * NSEC_PER_SECOND ||
		!is_member(key->set, affinity->backend))
		return 0;
	/* At most once a second: many CPUs share the entry. */
	if (now - affinity->used_ns > NSEC_PER_SECOND)
		affinity->used_ns = now;
	return affinity->backend;
}

/* The backend for a new flow of a client, 0: the set has none. */
static __always_inline __u32 choose_backend(struct affinity_key *key, __u32 hash)
{
	struct backend_set *set = bpf_map_lookup_elem(&tsi_lb_set, &key->set);
	struct affinity affinity = {};

	if (!set || !set->affinity_timeout_s)
		return pick_backend(key->set, hash);
	affinity.backend = recall_affinity(key, set->affinity_timeout_s);
	if (affinity.backend)
		return affinity.backend;
	affinity.backend = pick_backend(key->set, hash);
	affinity.used_ns = bpf_ktime_get_coarse_ns();
	if (affinity.backend)
		bpf_map_update_elem(&tsi_lb_affinity, key, &affinity, BPF_ANY);
	return affinity.backend;
}

static __always_inline bool is_silent(__u32 set_id)
{
	struct backend_set *set = bpf_map_lookup_elem(&tsi_lb_set, &set_id);

	return !set || set->flags & BACKEND_SET_SILENT;
}

static __always_inline bool is_excepted(
	const struct frontend *frontend, __u64 netns_cookie, const struct frontend_key *key)
{
	struct exception_key exception = {
		.netns_cookie = netns_cookie,
		.address = key->address,
		.port = key->port,
		.protocol = key->protocol,
	};

	return frontend->flags & FRONTEND_EXCEPTIONS &&
	       bpf_map_lookup_elem(&tsi_lb_skip, &exception);
}

#endif
