/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every load-time constant. User space writes them into .rodata before the load; the verifier then
 * knows their values and removes the branches that this configuration can never take, so a switched
 * off feature costs nothing and needs no #ifdef (docs/datapath.md, "Load-time constants").
 * Names are those of DatapathConfig in snake case; the values here are the defaults.
 */
#ifndef TSI_CONFIG_H
#define TSI_CONFIG_H

#include "lib/address.h"

enum routing_mode { ROUTING_TUNNEL = 0, ROUTING_NATIVE = 1 };

const volatile __u8 enable_ipv4 = 1;
const volatile __u8 enable_ipv6 = 1;
/* enum routing_mode. */
const volatile __u8 routing_mode = ROUTING_TUNNEL;
const volatile __u8 enable_ipv4_masquerade = 1;
const volatile __u8 enable_ipv6_masquerade = 1;
/* tsi_ip_masq names more destinations that are not masqueraded. */
const volatile __u8 enable_ip_masq_agent = 0;

/* UDP port of VXLAN, host byte order. */
const volatile __u16 tunnel_port = 8472;
/* Largest inner IP packet that fits the tunnel, bytes (the mtu of routes to remote pods). */
const volatile __u32 tunnel_mtu = 1450;

/* The node's address on the underlay: tunnels start there, and masqueraded packets carry it. */
const volatile __be32 node_ipv4 = 0;
const volatile union v6addr node_ipv6 = {};
/* tsi_host's address: the pods' gateway. */
const volatile __be32 router_ipv4 = 0;
const volatile union v6addr router_ipv6 = {};

/* Destinations never masqueraded. Unset is address 0 with a mask of all ones, which matches
 * nothing. */
const volatile __be32 ipv4_native_routing_cidr = 0;
const volatile __be32 ipv4_native_routing_mask = 0xffffffff;
const volatile union v6addr ipv6_native_routing_cidr = {};
const volatile union v6addr ipv6_native_routing_mask = {
	.words = {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}};

/* Ports (and ICMP echo ids) that masquerading takes from, both ends included, host byte order. */
const volatile __u16 nat_port_min = 32768;
const volatile __u16 nat_port_max = 65535;

const volatile __u32 tsi_vxlan_ifindex = 0;
const volatile __u32 tsi_host_ifindex = 0;

/* Lifetimes of tracked connections, seconds. */
const volatile __u32 ct_lifetime_tcp = 8000;
const volatile __u32 ct_lifetime_tcp_syn = 60;
const volatile __u32 ct_lifetime_tcp_fin = 10;
const volatile __u32 ct_lifetime_any = 60;

/* Services. Packets from outside are balanced at the node's devices; those of pods always are. */
const volatile __u8 enable_node_port = 0;
/* Some frontends' backends answer clients directly. */
const volatile __u8 enable_dsr = 0;
/* They are told whom to answer as by the packet itself, in another one. Not with a tunnel. */
const volatile __u8 enable_dsr_ipip = 0;
/* Clients from outside may use cluster IPs. */
const volatile __u8 enable_external_cluster_ip = 0;
/* Ports of NodePort services, both ends included, host byte order. */
const volatile __u16 node_port_min = 30000;
const volatile __u16 node_port_max = 32767;
/* Only the node's own sockets are balanced at connect(): pods' packets are. */
const volatile __u8 socket_lb_host_only = 0;
/* Of the node's network namespace. */
const volatile __u64 host_netns_cookie = 0;
/* Entries of a Maglev table, and what flows' hashes start from: the same on all nodes. */
const volatile __u32 maglev_size = 16381;
const volatile __u32 maglev_seed = 0;
/* A pod that reaches itself through a service hears from here (Cilium's address for IPv4). */
const volatile __be32 loopback_ipv4 = 0x012afea9;
const volatile union v6addr loopback_ipv6 = {
	.bytes = {0xfd, 0x00, 0x74, 0x73, 0x69, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

/* Policies may redirect to proxies. */
const volatile __u8 enable_l7_proxy = 0;

/* Answers to denied packets (ICMP errors, resets) per CPU and second; what is beyond is dropped silently. */
const volatile __u32 refusals_per_second = 1000;

/* Events per CPU and second, of each class (maps/event.h); what is beyond is counted in tsi_event_rate.lost. */
const volatile __u32 events_per_second = 10000;
const volatile __u32 traces_per_second = 100000;
/* At TRACE_CONNECTIONS: TCP flags whose first packet is told, of FIN, SYN, RST, PSH and ACK; and the time from one packet
 * to the next that is told, in ticks of 2^30 ns.
 */
const volatile __u8 trace_flags = 0x07;
const volatile __u16 trace_interval = 5;

#endif
