// SPDX-License-Identifier: GPL-2.0
/* Programs that ask for functions of the kernel and call none. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

extern void tcp_init_sock(struct sock *sk) __weak __ksym;
extern void tcp_enter_cwr(struct sock *sk) __weak __ksym;
extern void tcp_nothing(struct sock *sk) __weak __ksym;

SEC("socket")
int both(struct __sk_buff *skb)
{
	return !!bpf_ksym_exists(tcp_init_sock) + !!bpf_ksym_exists(tcp_enter_cwr);
}

SEC("socket")
int one_of_two(struct __sk_buff *skb)
{
	return !!bpf_ksym_exists(tcp_init_sock) + !!bpf_ksym_exists(tcp_nothing);
}
