/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Both families' NAT tables behind one name. A mapping is two entries:
 *
 *   FORWARD  pod:port -> remote:port     => node:nat_port     (written last; found by packets out)
 *   REVERSE  remote:port -> node:nat_port => pod:port         (claims the port; found by replies)
 *
 * Steps speak of both families in IPv6's records, IPv4 addresses mapped; IPv4's compact ones are
 * made here. The functions are global, verified once by themselves and with frames of their own:
 * the stack has 512 bytes over all calls.
 */
#ifndef TSI_LIB_NAT_TABLE_H
#define TSI_LIB_NAT_TABLE_H

#include "lib/conntrack.h"
#include "lib/packet.h"
#include "maps/nat.h"

struct nat_tuple {
	struct nat_key6 key;
	/* enum family. */
	__u8 family;
	__u8 tcp_flags;
	__u8 reserved[6];
};

static __always_inline struct nat_key4 compact(const struct nat_key6 *key)
{
	return (struct nat_key4){
		.source = key->source.words[3],
		.destination = key->destination.words[3],
		.source_port = key->source_port,
		.destination_port = key->destination_port,
		.protocol = key->protocol,
		.direction = key->direction,
	};
}

/* Like a connection's: see lib/conntrack.h. */
static __always_inline __u64 nat_deadline(const struct nat_tuple *tuple, __u16 flags)
{
	__u64 now = bpf_ktime_get_coarse_ns();

	if (tuple->key.protocol != IPPROTO_TCP)
		return now + ct_lifetime_any * NSEC_PER_SEC;
	if (flags & NAT_CLOSED)
		return now + ct_lifetime_tcp_fin * NSEC_PER_SEC;
	if (tuple->tcp_flags & TCP_SYN)
		return now + ct_lifetime_tcp_syn * NSEC_PER_SEC;
	return now + ct_lifetime_tcp * NSEC_PER_SEC;
}

static __always_inline __u16 nat_flags_after(const struct nat_tuple *tuple, __u16 flags)
{
	if (tuple->key.protocol != IPPROTO_TCP)
		return flags;
	if (tuple->tcp_flags & (TCP_FIN | TCP_RST))
		return flags | NAT_CLOSED;
	/* The ports are used again. */
	return tuple->tcp_flags & TCP_SYN ? flags & ~NAT_CLOSED : flags;
}

/* What an entry's time and flags become when a packet of its direction passes. */
static __always_inline void nat_refresh(
	const struct nat_tuple *tuple, __u64 *expires_ns, __u16 *flags)
{
	__u16 flags_after = nat_flags_after(tuple, *flags);
	__u64 deadline = nat_deadline(tuple, flags_after);

	if (flags_after != *flags) {
		*flags = flags_after;
		*expires_ns = deadline;
	} else if ((__s64)(deadline - *expires_ns) > (__s64)NSEC_PER_SEC) {
		*expires_ns = deadline;
	}
}

static __always_inline bool nat_find4(
	const struct nat_tuple *tuple, struct nat_entry6 *target, bool refresh)
{
	struct nat_key4 key = compact(&tuple->key);
	struct nat_entry4 *entry = bpf_map_lookup_elem(&tsi_nat4, &key);

	if (!entry)
		return false;
	target->address = mapped(entry->address);
	target->port = entry->port;
	target->flags = entry->flags;
	if (refresh)
		nat_refresh(tuple, &entry->expires_ns, &entry->flags);
	return true;
}

static __always_inline bool nat_find6(
	const struct nat_tuple *tuple, struct nat_entry6 *target, bool refresh)
{
	struct nat_key6 key = tuple->key;
	struct nat_entry6 *entry = bpf_map_lookup_elem(&tsi_nat6, &key);

	if (!entry)
		return false;
	target->address = entry->address;
	target->port = entry->port;
	target->flags = entry->flags;
	if (refresh)
		nat_refresh(tuple, &entry->expires_ns, &entry->flags);
	return true;
}

/* Whether the tuple has a mapping; fills target and, with refresh, keeps the entry alive. */
__noinline bool nat_find(const struct nat_tuple *tuple, struct nat_entry6 *target, bool refresh)
{
	if (!tuple || !target)
		return false;
	return tuple->family == IPV4 ? nat_find4(tuple, target, refresh)
				     : nat_find6(tuple, target, refresh);
}

static __always_inline long nat_claim4(
	const struct nat_tuple *tuple, const struct nat_entry6 *target)
{
	struct nat_key4 key = compact(&tuple->key);
	struct nat_entry4 entry = {
		.expires_ns = nat_deadline(tuple, 0),
		.address = target->address.words[3],
		.port = target->port,
		.flags = target->flags,
	};

	return bpf_map_update_elem(&tsi_nat4, &key, &entry, BPF_NOEXIST);
}

/* Copies: to 6.1's verifier an argument's memory is not good for a map's key or value. */
static __always_inline long nat_claim6(
	const struct nat_tuple *tuple, const struct nat_entry6 *target)
{
	struct nat_key6 key = tuple->key;
	struct nat_entry6 entry = *target;

	entry.expires_ns = nat_deadline(tuple, 0);
	return bpf_map_update_elem(&tsi_nat6, &key, &entry, BPF_NOEXIST);
}

/* Makes the entry unless there is one: 0, -EEXIST when the tuple is taken, or another error. */
__noinline long nat_claim(const struct nat_tuple *tuple, const struct nat_entry6 *target)
{
	if (!tuple || !target)
		return -1;
	return tuple->family == IPV4 ? nat_claim4(tuple, target) : nat_claim6(tuple, target);
}

__noinline int nat_release(const struct nat_tuple *tuple)
{
	if (!tuple)
		return 0;
	if (tuple->family == IPV4) {
		struct nat_key4 key = compact(&tuple->key);

		return bpf_map_delete_elem(&tsi_nat4, &key);
	}
	struct nat_key6 key = tuple->key;

	return bpf_map_delete_elem(&tsi_nat6, &key);
}

#endif
