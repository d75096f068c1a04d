// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the functions that nfnetlink reports at a hook of a family, one a line: PRIORITY
 * FUNCTION MODULE TYPE ID. A missing value is "-". ID is the id of the BPF program. (nft
 * prints the same, but its format changes between versions.)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/nf_test.h"

static const char *text(const char *value)
{
	return value ? value : "-";
}

static void print_number(long long value)
{
	if (value < 0)
		printf(" -");
	else
		printf(" %lld", value);
}

static void print_hook(const struct nf_hook *hook, void *arg)
{
	printf("%d %s %s", hook->priority, text(hook->function), text(hook->module));
	print_number(hook->type);
	print_number(hook->prog_id);
	putchar('\n');
}

int main(int argc, char **argv)
{
	int nr;

	if (argc != 3 || (strcmp(argv[1], "ip") && strcmp(argv[1], "ip6"))) {
		fprintf(stderr, "Usage: nf_hooks ip|ip6 HOOKNUM\n");
		return 2;
	}
	nr = nf_dump_hooks(strcmp(argv[1], "ip") ? NFPROTO_IPV6 : NFPROTO_IPV4,
			   atoi(argv[2]), print_hook, NULL);
	if (nr < 0) {
		fprintf(stderr, "nf_hooks: dump: %s\n", strerror(-nr));
		return 1;
	}
	return 0;
}
