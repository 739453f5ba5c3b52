/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policy as the kernel holds it: docs/decisions/0006. Written by the agent's policy worker alone. */
#ifndef TSI_MAPS_POLICY_H
#define TSI_MAPS_POLICY_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Slots that are always the same. */
enum policy_slot {
	/* Not known yet: drops. */
	POLICY_SLOT_UNKNOWN = 0,
	/* No policy: allows, and looks nothing up. */
	POLICY_SLOT_ALLOW = 1,
};

enum policy_verdict {
	POLICY_DENY = 0,
	POLICY_ALLOW = 1,
	/* Allowed, and told: only a policy in audit mode denies it. */
	POLICY_AUDIT = 2,
	POLICY_REDIRECT = 3,
	/* No rule allows it; POLICY_DENY is a rule that says so. */
	POLICY_DEFAULT_DENY = 4,
};

/* What the sender of a denied packet hears. */
enum policy_response {
	POLICY_RESPONSE_DROP = 0,
	/* ICMP unreachable, administratively prohibited. */
	POLICY_RESPONSE_ICMP = 1,
	/* TCP reset; ICMP for what is not TCP. */
	POLICY_RESPONSE_RST = 2,
};

/* Both slots of a subject. Each half is a whole decision by itself: it does not matter if a reader sees one half of
 * a write.
 */
struct policy_subject {
	__u32 ingress;
	__u32 egress;
};

/* Held by nobody, so its slots are always unknown. */
#define POLICY_SUBJECT_UNKNOWN 65535

/* subject (endpoint.subject) -> slots. The one write that switches policy. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct policy_subject);
} tsi_policy_subject SEC(".maps");

enum policy_flags {
	/* Peers are classed by their address too. */
	POLICY_USES_CIDR = 1,
	/* ... but not those without a class entry. */
	POLICY_DEFAULT_IGNORES_CIDR = 2,
	/* Peers without a class entry must be in tsi_identities. */
	POLICY_KNOWN_PEERS = 4,
};

struct policy {
	/* Bit n: there are entries with port prefixes of n bits, 0 to 16. */
	__u32 port_lengths;
	/* Of the verdict when no entry matches. */
	__u32 default_rule;
	/* enum policy_flags. */
	__u16 flags;
	/* enum policy_verdict when no entry matches. */
	__u8 default_verdict;
	/* enum policy_response when no entry matches. */
	__u8 default_response;
	__u32 reserved;
};

/* slot -> what holds for all of it. Written before any subject refers to it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct policy);
} tsi_policy SEC(".maps");

/* In policy_class_key.slot: the key's peer is a cidr-set, not an identity. */
#define POLICY_CIDR_KEY (1U << 31)

struct policy_class_key {
	__u32 slot;
	/* Identity or cidr-set. */
	__u32 peer;
};

enum policy_class_flags {
	/* Its members are classed without a look at their address. */
	POLICY_CLASS_ADDRESSLESS = 1,
};

struct policy_class {
	__u16 class_id;
	/* enum policy_class_flags. */
	__u16 flags;
};

/* (slot, peer) -> class within the slot; a miss is class 0. Not an LRU: a full map fails the build of a policy, and the
 * old one stays.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1048576);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct policy_class_key);
	__type(value, struct policy_class);
} tsi_policy_class SEC(".maps");

struct policy_rule_key {
	__u32 slot;
	__u16 class_id;
	__u16 cidr_class;
	/* Of the destination, bits past length zero; an ICMP type for ICMP. */
	__be16 port;
	/* 0: any, with length 0. */
	__u8 protocol;
	/* Bits of port that count. */
	__u8 length;
};

struct policy_rule {
	/* Number of the rule that decided, for people. */
	__u32 rule;
	/* Listener of a redirect. */
	__u16 proxy_port;
	/* enum policy_verdict. */
	__u8 verdict;
	/* enum policy_response. */
	__u8 response;
};

/* (slot, classes, protocol, port prefix) -> verdict. Not an LRU. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 524288);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct policy_rule_key);
	__type(value, struct policy_rule);
} tsi_policy_rule SEC(".maps");

struct known_identity {
	__u32 reserved;
};

/* identity -> nothing: those whose class entries are all written. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct known_identity);
} tsi_identities SEC(".maps");

#endif
