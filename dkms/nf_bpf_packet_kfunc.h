/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _NF_BPF_PACKET_KFUNC_H
#define _NF_BPF_PACKET_KFUNC_H

#include <linux/types.h>

struct bpf_fib_lookup;
struct bpf_map;
struct bpf_nf_ctx;
struct bpf_nf_frag_info;

/* Only programs call these kfuncs. The prototypes avoid warnings. */
int bpf_nf_load_bytes(struct bpf_nf_ctx *ctx, u32 offset, void *to, u32 to__sz);
int bpf_nf_load_bytes_relative(struct bpf_nf_ctx *ctx, u32 offset, void *to, u32 to__sz,
			       u32 start_header);
int bpf_nf_pull_data(struct bpf_nf_ctx *ctx, u32 len);
int bpf_nf_store_bytes(struct bpf_nf_ctx *ctx, u32 offset, const void *from, u32 from__sz,
		       u64 flags);
int bpf_nf_update_l3_csum(struct bpf_nf_ctx *ctx, u32 offset, u64 from, u64 to, u64 flags);
int bpf_nf_update_l4_csum(struct bpf_nf_ctx *ctx, u32 offset, u64 from, u64 to, u64 flags);
void bpf_nf_write_mark(struct bpf_nf_ctx *ctx, u32 mark);
void bpf_nf_write_priority(struct bpf_nf_ctx *ctx, u32 priority);
int bpf_nf_frag_info(struct bpf_nf_ctx *ctx, struct bpf_nf_frag_info *info, u32 info__sz);
int bpf_nf_output_sample(struct bpf_nf_ctx *ctx, struct bpf_map *samples__map, u64 flags,
			 void *data__nullable, u32 data__sz);
int bpf_nf_lookup_route(struct bpf_nf_ctx *ctx, struct bpf_fib_lookup *params, u32 params__sz,
			u32 flags);
u32 bpf_nf_recalc_hash(struct bpf_nf_ctx *ctx);

#endif /* _NF_BPF_PACKET_KFUNC_H */
