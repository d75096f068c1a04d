// SPDX-License-Identifier: GPL-2.0
/* Load minimal.bpf.c, attach it for each address family, and detach it on a signal. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <linux/bpf.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>

#include "minimal.skel.h"

static const char usage[] =
	"Usage: minimal [--help]\n"
	"Drops forwarded UDP packets to port 9999, fragmented or not, and packets without\n"
	"complete headers, in this network namespace, until it is interrupted.\n"
	"Exit status: 0 interrupted, 1 failed, 2 usage.\n";

static int fail(const char *what)
{
	fprintf(stderr, "minimal: drop_port_9999: %s: %s (%d)\n", what,
		strerror(errno), errno);
	return 1;
}

/* Mainline has no link for both families, so this program attaches two links. */
static struct bpf_link *attach(const struct minimal *skel, __u32 family)
{
	LIBBPF_OPTS(bpf_netfilter_opts, opts,
		    .pf = family,
		    .hooknum = NF_INET_FORWARD,
		    .priority = NF_IP_PRI_FILTER,
		    .flags = BPF_F_NETFILTER_IP_DEFRAG);

	return bpf_program__attach_netfilter(skel->progs.drop_port_9999, &opts);
}

static int run_until_signal(struct minimal *skel, const sigset_t *signals)
{
	struct bpf_link *ip, *ip6;
	int sig, status = 0;

	if (minimal__load(skel))
		return fail("cannot load");
	ip = attach(skel, NFPROTO_IPV4);
	if (!ip)
		return fail("cannot attach to ip");
	ip6 = attach(skel, NFPROTO_IPV6);
	if (!ip6) {
		status = fail("cannot attach to ip6");
	} else {
		printf("drop_port_9999: attached, interrupt to detach\n");
		fflush(stdout);
		sigwait(signals, &sig);
	}
	bpf_link__destroy(ip6);
	bpf_link__destroy(ip);
	return status;
}

int main(int argc, char **argv)
{
	struct minimal *skel;
	sigset_t signals;
	int status;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc != 1) {
		fputs(usage, stderr);
		return 2;
	}

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	skel = minimal__open();
	if (!skel)
		return fail("cannot open");
	status = run_until_signal(skel, &signals);
	minimal__destroy(skel);
	return status;
}
