/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kfuncs for dynptrs of packets. 6.1 does not have them: tag a program that calls one with
 * __needs(). Include this file after vmlinux.h and bpf_helpers.h.
 */
#ifndef DYNPTR_BPF_H
#define DYNPTR_BPF_H

int bpf_dynptr_from_skb(struct sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr) __weak __ksym;
void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer,
		       __u32 buffer__szk) __weak __ksym;
void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *ptr, __u32 offset, void *buffer,
			    __u32 buffer__szk) __weak __ksym;

#endif
