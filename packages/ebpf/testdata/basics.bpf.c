// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Object for the package's own tests: constants, every common kind of map, static and global
// functions, a callback, a tail call and a ring buffer.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct flow_key {
	__be32 address;
	__be16 port;
	__u8 protocol;
	__u8 pad;
};

struct flow_value {
	__u64 packets;
	__u64 bytes;
};

struct lpm_key {
	__u32 prefix_length;
	__u8 address[16];
};

enum verdict {
	VERDICT_PASS = 0,
	VERDICT_DROP = 2,
};

struct sample {
	__u64 number;
	enum verdict verdict;
	__u32 length;
};

volatile const __u32 pass_length = 100;
volatile const __be16 watched_port = bpf_htons(80);
volatile const _Bool count_flows = 1;
volatile const __u8 router[4] = {};

__u64 runs;
__u32 started_at = 7;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 128);
	__type(key, struct flow_key);
	__type(value, struct flow_value);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} recent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u32);
} per_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lpm_key);
	__type(value, __u32);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} samples SEC(".maps");

struct inner_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u32);
} inner_one SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner_map);
} outer SEC(".maps") = {
	.values = {[2] = &inner_one},
};

int answer_from_tail(struct __sk_buff *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, int(void *));
} tails SEC(".maps") = {
	.values = {[1] = (void *)&answer_from_tail},
};

static __attribute__((noinline)) int add_one(int value)
{
	return value + 1;
}

// A global function: verified on its own, from its BTF signature.
__attribute__((noinline)) int triple(int value)
{
	return add_one(value * 3) - 1;
}

static long count_step(__u32 index, void *context)
{
	*(__u64 *)context += index;
	return 0;
}

static void count_flow(struct __sk_buff *ctx)
{
	struct flow_key key = {
		.address = bpf_htonl(0x0a000001),
		.port = watched_port,
		.protocol = 6,
	};
	struct flow_value fresh = {.packets = 1, .bytes = ctx->len};
	struct flow_value *known = bpf_map_lookup_elem(&flows, &key);

	if (!known) {
		bpf_map_update_elem(&flows, &key, &fresh, BPF_ANY);
		return;
	}
	__sync_fetch_and_add(&known->packets, 1);
	__sync_fetch_and_add(&known->bytes, ctx->len);
}

SEC("tc")
int classify(struct __sk_buff *ctx)
{
	__u64 sum = 0;

	runs++;
	if (count_flows)
		count_flow(ctx);
	bpf_loop(5, count_step, &sum, 0);
	if (triple((int)sum) != 30)
		return -1;
	return ctx->len >= pass_length ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("tc")
int emit_sample(struct __sk_buff *ctx)
{
	struct sample *sample = bpf_ringbuf_reserve(&samples, sizeof(*sample), 0);

	if (!sample)
		return TC_ACT_SHOT;
	sample->number = __sync_fetch_and_add(&runs, 1);
	sample->verdict = VERDICT_PASS;
	sample->length = ctx->len;
	bpf_ringbuf_submit(sample, 0);
	return TC_ACT_OK;
}

SEC("tc")
int jump(struct __sk_buff *ctx)
{
	bpf_tail_call(ctx, &tails, 1);
	return -1;
}

SEC("tc")
int answer_from_tail(struct __sk_buff *ctx)
{
	__u32 slot = 2, key = 1;
	void *inner = bpf_map_lookup_elem(&outer, &slot);
	__u32 *found = inner ? bpf_map_lookup_elem(inner, &key) : 0;

	(void)ctx;
	return found ? (int)*found : 42;
}

SEC("xdp")
int pass_all(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

SEC("cgroup/connect4")
int allow_connect(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
