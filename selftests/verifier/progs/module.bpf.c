// SPDX-License-Identifier: GPL-2.0
/* Programs that call kfuncs of the modules for unmodified kernels; see verifier/compiled.c. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#include "expect.bpf.h"

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} samples SEC(".maps");

static __always_inline int output(struct bpf_nf_ctx *ctx, void *map)
{
	__u32 data = 1;

	bpf_nf_output_sample___nf(ctx, map, BPF_F_CURRENT_CPU, &data, sizeof(data));
	return 1;
}

__success
SEC("?netfilter")
int sample_to_a_map(struct bpf_nf_ctx *ctx)
{
	return output(ctx, &samples);
}

__success
SEC("?netfilter")
int sample_without_data(struct bpf_nf_ctx *ctx)
{
	bpf_nf_output_sample___nf(ctx, (void *)&samples, BPF_F_CURRENT_CPU, NULL, 0);
	return 1;
}

/* A pointer that was read from kernel memory can be NULL, or the map can be freed. */
__failure("R2 must be referenced or trusted")
SEC("?netfilter")
int sample_to_an_inner_map(struct bpf_nf_ctx *ctx)
{
	return output(ctx, ((struct bpf_map *)&samples)->inner_map_meta);
}

__failure("R2 must be referenced or trusted")
SEC("?netfilter")
int sample_to_a_map_of_a_device(struct bpf_nf_ctx *ctx)
{
	return output(ctx, ctx->state->in->xdp_prog->aux->cgroup_storage[0]);
}

__failure("Possibly NULL pointer passed to trusted arg1")
SEC("?netfilter")
int sample_to_no_map(struct bpf_nf_ctx *ctx)
{
	return output(ctx, NULL);
}
