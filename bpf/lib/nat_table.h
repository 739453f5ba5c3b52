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
#include "lib/translation.h"
#include "maps/nat.h"

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
	if (tuple->tcp_flags & TCP_RST)
		return flags | NAT_CLOSED | NAT_RESET;
	if (tuple->tcp_flags & TCP_FIN)
		return flags | NAT_CLOSED;
	/* The ports are used again. */
	return tuple->tcp_flags & TCP_SYN ? flags & ~(NAT_CLOSED | NAT_RESET) : flags;
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

/* Which way of this_translation() is meant. */
enum nat_way { NAT_WAY, NAT_WAY_BACK };

static __always_inline struct nat_tuple *tuple_of(struct translation *translation, enum nat_way way)
{
	return way == NAT_WAY ? &translation->tuple : &translation->back_tuple;
}

static __always_inline struct nat_entry6 *target_of(
	struct translation *translation, enum nat_way way)
{
	return way == NAT_WAY ? &translation->target : &translation->back;
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
	target->frontend = entry->frontend;
	if (refresh)
		nat_refresh(tuple, &entry->expires_ns, &entry->flags);
	return true;
}

static __always_inline bool nat_find6(
	const struct nat_tuple *tuple, struct nat_entry6 *target, bool refresh)
{
	struct nat_entry6 *entry = bpf_map_lookup_elem(&tsi_nat6, &tuple->key);

	if (!entry)
		return false;
	target->address = entry->address;
	target->port = entry->port;
	target->flags = entry->flags;
	target->frontend = entry->frontend;
	if (refresh)
		nat_refresh(tuple, &entry->expires_ns, &entry->flags);
	return true;
}

/* Whether this way has a mapping; fills its target and, with refresh, keeps the entry alive. */
__noinline bool nat_find(enum nat_way way, bool refresh)
{
	struct translation *translation = this_translation();

	if (!translation)
		return false;
	return tuple_of(translation, way)->family == IPV4
		       ? nat_find4(tuple_of(translation, way), target_of(translation, way), refresh)
		       : nat_find6(
				 tuple_of(translation, way), target_of(translation, way), refresh);
}

static __always_inline long nat_write4(struct translation *translation, enum nat_way way, __u64 how)
{
	const struct nat_entry6 *target = target_of(translation, way);
	struct nat_entry4 *entry = &translation->entry4;

	translation->key4 = compact(&tuple_of(translation, way)->key);
	entry->flags = nat_flags_after(tuple_of(translation, way), target->flags);
	entry->expires_ns = nat_deadline(tuple_of(translation, way), entry->flags);
	entry->address = target->address.words[3];
	entry->port = target->port;
	entry->frontend = target->frontend;
	return bpf_map_update_elem(&tsi_nat4, &translation->key4, entry, how);
}

static __always_inline long nat_write6(
	const struct nat_tuple *tuple, struct nat_entry6 *target, __u64 how)
{
	target->flags = nat_flags_after(tuple, target->flags);
	target->expires_ns = nat_deadline(tuple, target->flags);
	return bpf_map_update_elem(&tsi_nat6, &tuple->key, target, how);
}

/* Writes this way's target. how: BPF_NOEXIST (-EEXIST when the tuple is taken) or BPF_ANY. 0, or an error. */
__noinline long nat_write(enum nat_way way, __u64 how)
{
	struct translation *translation = this_translation();

	if (!translation)
		return -1;
	return tuple_of(translation, way)->family == IPV4
		       ? nat_write4(translation, way, how)
		       : nat_write6(tuple_of(translation, way), target_of(translation, way), how);
}

__noinline int nat_release(enum nat_way way)
{
	struct translation *translation = this_translation();

	if (!translation)
		return 0;
	if (tuple_of(translation, way)->family == IPV4) {
		struct nat_key4 key = compact(&tuple_of(translation, way)->key);

		return bpf_map_delete_elem(&tsi_nat4, &key);
	}
	return bpf_map_delete_elem(&tsi_nat6, &tuple_of(translation, way)->key);
}

#endif
