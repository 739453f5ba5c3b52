/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Both families' NAT tables behind one name. A mapping is two entries:
 *
 *   FORWARD  pod:port -> remote:port     => node:nat_port     (written last; found by packets out)
 *   REVERSE  remote:port -> node:nat_port => pod:port         (claims the port; found by replies)
 */
#ifndef TSI_LIB_NAT_TABLE_H
#define TSI_LIB_NAT_TABLE_H

#include "lib/conntrack.h"
#include "lib/packet.h"
#include "maps/nat.h"

struct nat_tuple {
	union v6addr source;
	union v6addr destination;
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	/* enum family, enum nat_direction. */
	__u8 family;
	__u8 direction;
	__u8 tcp_flags;
};

struct nat_target {
	union v6addr address;
	__be16 port;
	/* enum nat_flags. */
	__u16 flags;
	__u32 reserved;
};

static __always_inline struct nat_key4 nat_key4(const struct nat_tuple *tuple)
{
	return (struct nat_key4){
		.source = tuple->source.words[3],
		.destination = tuple->destination.words[3],
		.source_port = tuple->source_port,
		.destination_port = tuple->destination_port,
		.protocol = tuple->protocol,
		.direction = tuple->direction,
	};
}

static __always_inline struct nat_key6 nat_key6(const struct nat_tuple *tuple)
{
	return (struct nat_key6){
		.source = tuple->source,
		.destination = tuple->destination,
		.source_port = tuple->source_port,
		.destination_port = tuple->destination_port,
		.protocol = tuple->protocol,
		.direction = tuple->direction,
	};
}

/* Like a connection's: see lib/conntrack.h. */
static __always_inline __u64 nat_deadline(const struct nat_tuple *tuple, __u16 flags, __u64 now)
{
	if (tuple->protocol != IPPROTO_TCP)
		return now + ct_lifetime_any * NSEC_PER_SEC;
	if (flags & NAT_CLOSED)
		return now + ct_lifetime_tcp_fin * NSEC_PER_SEC;
	if (tuple->tcp_flags & TCP_SYN)
		return now + ct_lifetime_tcp_syn * NSEC_PER_SEC;
	return now + ct_lifetime_tcp * NSEC_PER_SEC;
}

static __always_inline __u16 nat_closing(const struct nat_tuple *tuple)
{
	if (tuple->protocol == IPPROTO_TCP && tuple->tcp_flags & (TCP_FIN | TCP_RST))
		return NAT_CLOSED;
	return 0;
}

/* What an entry's time and flags become when a packet of its direction passes. A bare SYN reopens.
 */
static __always_inline void nat_refresh(
	const struct nat_tuple *tuple, __u64 *expires_ns, __u16 *flags)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	__u16 now_flags = *flags | nat_closing(tuple);
	__u64 deadline;

	if (tuple->tcp_flags & TCP_SYN)
		now_flags &= ~NAT_CLOSED;
	deadline = nat_deadline(tuple, now_flags, now);
	if (now_flags != *flags) {
		*flags = now_flags;
		*expires_ns = deadline;
	} else if ((__s64)(deadline - *expires_ns) > (__s64)NSEC_PER_SEC) {
		*expires_ns = deadline;
	}
}

/* Whether the tuple has a mapping; fills target and, with refresh, keeps the entry alive.
 * This and nat_claim() are global functions, verified once by themselves: inlined, their keys of
 * both families would not fit the stack (512 bytes over all calls).
 */
__noinline bool nat_find(const struct nat_tuple *tuple, struct nat_target *target, bool refresh)
{
	if (!tuple || !target)
		return false;
	if (tuple->family == IPV4) {
		struct nat_key4 key = nat_key4(tuple);
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
	struct nat_key6 key = nat_key6(tuple);
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

/* Makes the entry unless there is one: 0, -EEXIST when the tuple is taken, or another error. */
__noinline long nat_claim(const struct nat_tuple *tuple, const struct nat_target *target)
{
	__u64 expires_ns;

	if (!tuple || !target)
		return -1;
	expires_ns = nat_deadline(tuple, 0, bpf_ktime_get_coarse_ns());

	if (tuple->family == IPV4) {
		struct nat_key4 key = nat_key4(tuple);
		struct nat_entry4 entry = {
			.expires_ns = expires_ns,
			.address = target->address.words[3],
			.port = target->port,
			.flags = target->flags,
		};

		return bpf_map_update_elem(&tsi_nat4, &key, &entry, BPF_NOEXIST);
	}
	struct nat_key6 key = nat_key6(tuple);
	struct nat_entry6 entry = {
		.expires_ns = expires_ns,
		.address = target->address,
		.port = target->port,
		.flags = target->flags,
	};

	return bpf_map_update_elem(&tsi_nat6, &key, &entry, BPF_NOEXIST);
}

static __always_inline void nat_release(const struct nat_tuple *tuple)
{
	if (tuple->family == IPV4) {
		struct nat_key4 key = nat_key4(tuple);

		bpf_map_delete_elem(&tsi_nat4, &key);
		return;
	}
	struct nat_key6 key = nat_key6(tuple);

	bpf_map_delete_elem(&tsi_nat6, &key);
}

#endif
