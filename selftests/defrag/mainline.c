// SPDX-License-Identifier: GPL-2.0
/*
 * Mainline's test of BPF_F_NETFILTER_IP_DEFRAG, unmodified: a program that drops fragments
 * sees none, and the datagram arrives. The program reads packets through an skb dynptr.
 */
#include "helpers/mainline/test_progs.h"
#include "mainline/tests/prog_tests/ip_check_defrag.c"

static const struct nf_mainline_subtest without_dynptr[] = {
	{ "v4", "this kernel has no bpf_dynptr_from_skb()", true },
	{ "v6", "this kernel has no bpf_dynptr_from_skb()", true },
	{}
};

static const struct nf_mainline_subtest without_ipv6[] = {
	{ "v6", "this kernel has no IPv6", true },
	{}
};

int main(void)
{
	const struct nf_mainline_subtest *left_out = NULL;

	if (!nf_mainline_has_func("bpf_dynptr_from_skb"))
		left_out = without_dynptr;
	else if (access("/proc/net/if_inet6", F_OK))
		left_out = without_ipv6;
	nf_mainline_run(test_bpf_ip_check_defrag, 2, left_out);
}
