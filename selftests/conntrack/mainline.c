// SPDX-License-Identifier: GPL-2.0
/*
 * Mainline's test of the functions with which tc and XDP programs look up, allocate and
 * change entries of conntrack, unmodified. This project's series changes files of these
 * functions, and lets netfilter programs call some of them.
 *
 * Requires: CONFIG_NF_CONNTRACK iptables-legacy
 */
#include "helpers/mainline/test_progs.h"
#include "mainline/tests/prog_tests/bpf_nf.c"

/* The program expects zones, which the functions have since 6.11. */
static const struct nf_mainline_subtest without_zones[] = {
	{ "xdp-ct", "bpf_ct_opts has no ct_zone_id on this kernel", true },
	{ "tc-bpf-ct", "bpf_ct_opts has no ct_zone_id on this kernel", true },
	{}
};

/* The program passes NULL, and expects an error when it runs. */
static const struct nf_mainline_subtest without_null[] = {
	{ "xdp-ct", "this kernel refuses a NULL argument when it loads the program", true },
	{ "tc-bpf-ct", "this kernel refuses a NULL argument when it loads the program", true },
	{}
};

/* Kernels that are newer than the test do. On our own kernel it would be a failure. */
static bool refuses_null(void)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts,
		    .kernel_log_buf = log_buf, .kernel_log_size = sizeof(log_buf),
		    .kernel_log_level = 1);
	const char *patched = getenv("NF_BPF_PATCHED");
	struct test_bpf_nf *skel;
	bool refused;

	if (patched && !strcmp(patched, "1"))
		return false;
	skel = test_bpf_nf__open_opts(&opts);
	refused = skel && test_bpf_nf__load(skel) &&
		  strstr(log_buf, "NULL pointer passed to trusted");
	test_bpf_nf__destroy(skel);
	return refused;
}

int main(void)
{
	const struct nf_mainline_subtest *left_out = NULL;

	/* In the kernel of mainline's tests these are not modules. */
	SYS_NOFAIL("modprobe -a nf_conntrack nf_nat");
	SYS_NOFAIL("ip link set lo up");
	if (!nf_mainline_has_member("nf_conntrack", "bpf_ct_opts", "ct_zone_id"))
		left_out = without_zones;
	else if (refuses_null())
		left_out = without_null;
	nf_mainline_run(test_bpf_nf, 2 + ARRAY_SIZE(test_bpf_nf_fail_tests), left_out);
}
