// SPDX-License-Identifier: GPL-2.0
/* Maps whose entries can be written as text, and programs that use them. One is refused. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

char _license[] SEC("license") = "GPL";

struct network {
	__u32 prefixlen;
	__be32 addr;
};

struct network6 {
	__u32 prefixlen;
	struct in6_addr addr;
};

struct service {
	__u16 port_min;
	__u16 port_max;
	__u8 protocol;
	__u8 zero[3];
};

struct action {
	__s32 verdict;
	__u32 mark;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network);
	__type(value, struct action);
} blocked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network6);
	__type(value, struct action);
} blocked6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct service);
	__type(value, struct action);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct bpf_nf_tuple);
	__type(value, __u64);
} tuples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} settings SEC(".maps");

/* The program does not use the maps below: the tests only check the text of their entries. */
struct bytes {
	__u32 prefixlen;
	__u8 addr[16];
};

struct address_of_device {
	__u32 prefixlen;
	__u32 ifindex;
	__be32 addr;
};

struct address_of_name {
	__u32 prefixlen;
	char device[16];
	__u32 family;
	union bpf_nf_addr addr;
};

struct host {
	__u8 saddr[16];
};

struct hosts {
	__be32 saddr_min;
	__be32 saddr_max;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct bytes);
	__type(value, __u32);
} bytes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address_of_device);
	__type(value, __u32);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address_of_name);
	__type(value, char[8]);
} names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct host);
	__type(value, __u32);
} hosts6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct hosts);
	__type(value, __u32);
} ranges SEC(".maps");

struct between {
	char zone_from[8];
	char zone_to[8];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct between);
	__type(value, __u32);
} zones SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, char[16]);
	__type(value, __u32);
} words SEC(".maps");

struct list {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network);
	__type(value, __u32);
} first_list SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct list);
} lists SEC(".maps") = { .values = { &first_list } };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct list);
} two_lists SEC(".maps") = { .values = { &first_list } };

struct raw {
	__u8 raw[12];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct raw);
	__type(value, __u32);
} raws SEC(".maps");

struct level {
	__s32 level_min;
	__s32 level_max;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct level);
	__type(value, __u32);
} levels SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} recent SEC(".maps");

int packets;

/* Drop packets from a blocked network. The other maps are only named, so that they exist. */
SEC("netfilter")
int block(struct bpf_nf_ctx *ctx)
{
	struct network6 network6 = { .prefixlen = 128 };
	struct network network = { .prefixlen = 32 };
	struct service service = {};
	struct bpf_nf_flow flow = {};
	__u32 key = 0;

	packets++;
	BPF_NF_PKT(pkt, ctx);
	bpf_nf_pkt_parse(&pkt, &flow);
	bpf_map_lookup_elem(&services, &service);
	bpf_map_lookup_elem(&tuples, &flow.tuple);
	bpf_map_lookup_elem(&settings, &key);
	if (flow.tuple.family == NFPROTO_IPV4) {
		network.addr = flow.tuple.saddr.ip;
		return bpf_map_lookup_elem(&blocked, &network) ? NF_DROP : NF_ACCEPT;
	}
	__builtin_memcpy(&network6.addr, &flow.tuple.saddr, sizeof(network6.addr));

	return bpf_map_lookup_elem(&blocked6, &network6) ? NF_DROP : NF_ACCEPT;
}

/* The verifier refuses this verdict. */
SEC("netfilter")
int refused(struct bpf_nf_ctx *ctx)
{
	return 7;
}
