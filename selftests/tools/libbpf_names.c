// SPDX-License-Identifier: GPL-2.0
/*
 * Mainline's test of the names that libbpf has for types of programs, links, attachments and
 * maps, unmodified. The types are those of the running kernel. The test takes the end of an
 * enum, __MAX_*, for a type, unless it has the value of libbpf's source. On an older kernel it
 * has not, and of a newer kernel libbpf does not know all names.
 */
#include <bpf/btf.h>

#include "helpers/mainline/test_progs.h"
#include "mainline/tests/prog_tests/libbpf_str.c"

static const struct {
	const char *subtest, *type, *last;
	unsigned int end;	/* in libbpf's source */
} types[] = {
	{ "bpf_attach_type_str", "bpf_attach_type", "__MAX_BPF_ATTACH_TYPE",
	  __MAX_BPF_ATTACH_TYPE },
	{ "bpf_link_type_str", "bpf_link_type", "__MAX_BPF_LINK_TYPE",
	  __MAX_BPF_LINK_TYPE },
	{ "bpf_map_type_str", "bpf_map_type", "__MAX_BPF_MAP_TYPE",
	  __MAX_BPF_MAP_TYPE },
	{ "bpf_prog_type_str", "bpf_prog_type", "__MAX_BPF_PROG_TYPE",
	  __MAX_BPF_PROG_TYPE },
};

/* The value of an enum of the running kernel, 0 if there is none */
static unsigned int value_in(const struct btf *btf, const char *type, const char *name)
{
	int i, id = btf__find_by_name_kind(btf, type, BTF_KIND_ENUM);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, id) : NULL;

	for (i = 0; t && i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_enum(t)[i].name_off), name))
			return btf_enum(t)[i].val;
	return 0;
}

int main(void)
{
	struct nf_mainline_subtest left_out[ARRAY_SIZE(types) + 1] = {};
	struct btf *btf = btf__load_vmlinux_btf();
	unsigned int end;
	int i, n = 0;

	for (i = 0; btf && i < ARRAY_SIZE(types); i++) {
		/* Before 6.9 one of the names did not begin with "__". */
		end = value_in(btf, types[i].type, types[i].last) ?:
		      value_in(btf, types[i].type, types[i].last + 2);
		if (!end || end == types[i].end)
			continue;
		left_out[n].name = types[i].subtest;
		left_out[n].reason = "this kernel's types are not those of libbpf's source";
		left_out[n++].lacks = true;
	}
	btf__free(btf);
	nf_mainline_run(test_libbpf_str, ARRAY_SIZE(types), left_out);
}
