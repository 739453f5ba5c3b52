/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services as the kernel holds them (docs/decisions/0007):
 *
 *   frontend (address, port, protocol) --> backend set --> slot --> backend
 *
 * Frontends, sets, slots, backends, Maglev tables, source ranges and exceptions are written by the agent's one writer
 * of services, and by nobody else; flows, sockets and affinities by programs. IPv4 addresses are mapped everywhere.
 */
#ifndef TSI_MAPS_SERVICE_H
#define TSI_MAPS_SERVICE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lib/address.h"

struct frontend_key {
	/* 0.0.0.0 (mapped) or ::, any address of a node of that family: NodePort and HostPort, asked for at connect(). */
	union v6addr address;
	/* 0, with protocol 0: the address is a service's whatever the port. */
	__be16 port;
	__u8 protocol;
	__u8 reserved[5];
};

enum frontend_flags {
	/* Not for clients from outside the cluster (174). */
	FRONTEND_CLUSTER_IP = 1,
	FRONTEND_NODE_PORT = 2,
	/* An external IP or a load balancer's address. */
	FRONTEND_EXTERNAL = 4,
	FRONTEND_HOST_PORT = 8,
	FRONTEND_LOCAL_REDIRECT = 16,
	/* Clients from outside must be in one of tsi_lb_source's ranges for it (177). */
	FRONTEND_SOURCE_RANGES = 32,
	/* Answers of remote backends go to clients directly. */
	FRONTEND_DSR = 64,
	/* Some pods are excepted: tsi_lb_skip. */
	FRONTEND_EXCEPTIONS = 128,
	/* No port's: what comes for it has no service (158). */
	FRONTEND_ADDRESS_ONLY = 256,
};

struct frontend {
	/* Not 0. What flows remember the frontend by. */
	__u32 id;
	/* Whom clients from outside, and those of the cluster, are balanced over: different where externalTrafficPolicy and
	 * internalTrafficPolicy differ.
	 */
	__u32 external_set;
	__u32 internal_set;
	/* enum frontend_flags. */
	__u32 flags;
};

/* frontend -> how it is served. Not an LRU; so are all tables here that do not say otherwise. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 524288);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct frontend_key);
	__type(value, struct frontend);
} tsi_lb_frontend SEC(".maps");

struct frontend_address {
	union v6addr address;
	__be16 port;
	__u8 reserved[6];
};

/* frontend.id -> what answers are given as their source. Kept as long as the frontend. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 524288);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct frontend_address);
} tsi_lb_address SEC(".maps");

enum backend_algorithm { BACKEND_RANDOM = 0, BACKEND_MAGLEV = 1 };

enum backend_set_flags {
	/* Without a backend, clients hear nothing; else a reset or an ICMP error. */
	BACKEND_SET_SILENT = 1,
};

struct backend_set {
	/* Slots 0 to count - 1 are there. Raised after the slots are written, lowered before they go. */
	__u32 count;
	/* Seconds for which a client stays with its backend; 0: it does not. */
	__u32 affinity_timeout_s;
	/* enum backend_algorithm. */
	__u8 algorithm;
	/* enum backend_set_flags. */
	__u8 flags;
	__u16 reserved;
	__u32 reserved_word;
};

/* set -> what holds for all of it. 0 is no set and stays empty. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 524288);
	__type(key, __u32);
	__type(value, struct backend_set);
} tsi_lb_set SEC(".maps");

/* In backend_slot_key.slot: the rest is a backend, and the entry says that it is in the set (its value too). Only of
 * sets with affinity.
 */
#define BACKEND_MEMBER_KEY (1U << 31)

struct backend_slot_key {
	__u32 set;
	__u32 slot;
};

/* (set, slot) -> backend. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1048576);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct backend_slot_key);
	__type(value, __u32);
} tsi_lb_slot SEC(".maps");

enum backend_state {
	BACKEND_ACTIVE = 0,
	/* Goes away; serves the flows that it has. */
	BACKEND_TERMINATING = 1,
};

struct backend {
	union v6addr address;
	__be16 port;
	__u8 protocol;
	/* enum backend_state. For people: whom new flows get, slots decide. */
	__u8 state;
	__u32 reserved;
};

/* backend -> where it is. A flow whose backend is not there any more gets another one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 524288);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct backend);
} tsi_lb_backend SEC(".maps");

/* Entries of a Maglev table where none is configured; a prime. User space sets another in all inner maps. */
#define MAGLEV_DEFAULT_SIZE 16381

struct maglev_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAGLEV_DEFAULT_SIZE);
	__type(key, __u32);
	__type(value, __u32);
};

/* set -> hash of a flow -> backend. Tables are rewritten in place: each entry is a whole decision. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__array(values, struct maglev_table);
} tsi_lb_maglev SEC(".maps");

struct source_range_key {
	__u32 prefixlen;
	/* frontend.id; always 32 bits of the prefix. */
	__u32 frontend;
	union v6addr address;
} __attribute__((packed));

/* (frontend, prefix) -> nothing: loadBalancerSourceRanges. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct source_range_key);
	__type(value, __u32);
} tsi_lb_source SEC(".maps");

struct exception_key {
	/* Of the pod's network namespace. */
	__u64 netns_cookie;
	union v6addr address;
	__be16 port;
	__u8 protocol;
	__u8 reserved[5];
};

/* (pod, frontend) -> nothing: the pod meets the address itself (skipRedirectFromBackend). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct exception_key);
	__type(value, __u32);
} tsi_lb_skip SEC(".maps");

enum affinity_kind {
	AFFINITY_ADDRESS = 0,
	/* At connect() the client has no address yet: client.halves[0] is its namespace's cookie. */
	AFFINITY_NETNS = 1,
};

struct affinity_key {
	union v6addr client;
	__u32 set;
	/* enum affinity_kind. */
	__u32 kind;
};

struct affinity {
	/* CLOCK_MONOTONIC. */
	__u64 used_ns;
	__u32 backend;
	__u32 reserved;
};

/* (client, set) -> the backend that it stays with. Written by programs. LRU: who is evicted is balanced anew. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct affinity_key);
	__type(value, struct affinity);
} tsi_lb_affinity SEC(".maps");

struct service_flow_key {
	union v6addr client;
	union v6addr frontend;
	__be16 client_port;
	__be16 frontend_port;
	__u8 protocol;
	__u8 reserved[3];
};

enum service_flow_flags {
	/* FIN or RST seen: a SYN opens the next flow. */
	SERVICE_FLOW_CLOSED = 1,
};

struct service_flow {
	/* CLOCK_MONOTONIC; past it the entry counts as absent. */
	__u64 expires_ns;
	__u32 backend;
	/* enum service_flow_flags. */
	__u16 flags;
	__u16 reserved;
};

/* flow balanced per packet -> its backend. Written by programs; swept by the agent. LRU: an evicted flow is balanced
 * anew, which Maglev does alike.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 524288);
	__type(key, struct service_flow_key);
	__type(value, struct service_flow);
} tsi_lb_flow SEC(".maps");

enum socket_flow_kind {
	/* backend -> frontend, for recvmsg() and getpeername(). */
	SOCKET_FLOW_BACK = 0,
	/* frontend -> backend, for the next sendmsg(). */
	SOCKET_FLOW_FORTH = 1,
};

struct socket_flow_key {
	__u64 cookie;
	union v6addr address;
	__be16 port;
	/* enum socket_flow_kind. */
	__u8 kind;
	__u8 reserved[5];
};

struct socket_flow {
	union v6addr address;
	__be16 port;
	__u16 reserved;
	__u32 backend;
};

/* (socket, far end) -> the far end in its place. Written at connect() and sendmsg(). LRU: what is evicted sees its
 * backend's address.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct socket_flow_key);
	__type(value, struct socket_flow);
} tsi_lb_socket SEC(".maps");

#endif
