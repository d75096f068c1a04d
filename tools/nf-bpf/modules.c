// SPDX-License-Identifier: GPL-2.0-only
/*
 * The modules with the functions that a program calls. An object of bpf_netfilter.h also loads
 * if the kernel does not have these functions, because the object refers to them weakly. So
 * nothing else loads the modules, and nothing else says that functions are missing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "nf-bpf.h"

/* libbpf turns a call of a weak function that the kernel does not have into the call of a helper
 * with a number from this one on.
 */
#define FIRST_MISSING_CALL	2002000000
#define LAST_MISSING_CALL	2002999999

#define MAX_FUNCTIONS		16
#define MODULES			3

static const struct {
	const char *name;
	/* Does a patched kernel have it too? */
	bool in_patched;
	const char *functions[MAX_FUNCTIONS];
} modules[MODULES] = {
	{ "nf_bpf_kfunc", true, {
		"bpf_nf_ct_alloc", "bpf_nf_ct_get", "bpf_nf_ct_get_labels", "bpf_nf_ct_info",
		"bpf_nf_ct_lookup", "bpf_nf_ct_set_labels", "bpf_nf_ct_set_mark",
		"bpf_nf_ct_set_nat", "bpf_nf_reject",
	} },
	{ "nf_bpf_packet", false, {
		"bpf_nf_frag_info", "bpf_nf_load_bytes", "bpf_nf_load_bytes_relative",
		"bpf_nf_lookup_route", "bpf_nf_output_sample", "bpf_nf_pull_data",
		"bpf_nf_recalc_hash", "bpf_nf_store_bytes", "bpf_nf_update_l3_csum",
		"bpf_nf_update_l4_csum", "bpf_nf_write_mark", "bpf_nf_write_priority",
	} },
	{ "nf_bpf_entry", false, {
		"bpf_nf_ct_change_mark", "bpf_nf_ct_change_status", "bpf_nf_ct_change_timeout",
		"bpf_nf_ct_insert_entry", "bpf_nf_ct_release", "bpf_nf_ct_set_init_mark",
		"bpf_nf_ct_set_nat_info", "bpf_nf_ct_set_status", "bpf_nf_ct_set_timeout",
	} },
};

static bool kernel_is_patched(void)
{
	return kernel_has("BPF_NF_LINK_INET");
}

/* Tell whether the object refers to a function. libbpf ignores the end of a name from ___ on. */
static bool refers_to(const struct btf *btf, const char *function)
{
	size_t len = strlen(function);
	const struct btf_type *type;
	const char *name;
	__u32 i;

	for (i = 1; i < btf__type_cnt(btf); i++) {
		type = btf__type_by_id(btf, i);
		if (!btf_is_func(type))
			continue;
		name = btf__name_by_offset(btf, type->name_off);
		if (!strncmp(name, function, len) &&
		    (!name[len] || !strncmp(name + len, "___", 3)))
			return true;
	}

	return false;
}

static bool has_function(const struct btf *btf, const char *function)
{
	return btf && btf__find_by_name_kind(btf, function, BTF_KIND_FUNC) > 0;
}

/* Get the types of a module that is loaded, or NULL. */
static struct btf *types_of(const char *module)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/kernel/btf/%s", module);

	return access(path, R_OK) ? NULL : btf__load_module_btf(module, kernel_types());
}

/* Find those functions of a module that the object refers to and the kernel does not have. The
 * module may be built in. Returns the number of functions.
 */
static int find_missing(const struct bpf_object *object, int module,
			const char *missing[MAX_FUNCTIONS])
{
	const struct btf *btf = bpf_object__btf(object);
	const char *function;
	struct btf *types;
	int i, count = 0;

	if (!btf || (kernel_is_patched() && !modules[module].in_patched))
		return 0;
	types = types_of(modules[module].name);
	for (i = 0; i < MAX_FUNCTIONS && modules[module].functions[i]; i++) {
		function = modules[module].functions[i];
		if (refers_to(btf, function) && !has_function(kernel_types(), function) &&
		    !has_function(types, function))
			missing[count++] = function;
	}
	btf__free(types);

	return count;
}

/* Run modprobe. If the module is installed but cannot be loaded, modprobe prints the reason. */
static void load_module(const char *module)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		execlp("modprobe", "modprobe", "-q", "--", module, NULL);
		/* A user's PATH does not have the directory of modprobe. */
		execl("/sbin/modprobe", "modprobe", "-q", "--", module, NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void modules_load(const struct bpf_object *object)
{
	const char *missing[MAX_FUNCTIONS];
	int i;

	for (i = 0; i < MODULES; i++) {
		if (find_missing(object, i, missing))
			load_module(modules[i].name);
	}
}

/* An object can have other programs, which refer to functions that this program does not call. */
static bool calls_missing(const struct bpf_program *prog)
{
	const struct bpf_insn *insn = bpf_program__insns(prog);
	size_t i;

	for (i = 0; i < bpf_program__insn_cnt(prog); i++) {
		if (insn[i].code == (BPF_JMP | BPF_CALL) && !insn[i].src_reg &&
		    insn[i].imm >= FIRST_MISSING_CALL && insn[i].imm <= LAST_MISSING_CALL)
			return true;
	}

	return false;
}

void modules_warn(const struct bpf_object *object, const struct bpf_program *prog,
		  const char *file)
{
	static bool warned;
	const char *missing[MODULES * MAX_FUNCTIONS];
	char names[MODULES * MAX_FUNCTIONS * 32] = "";
	int i, count = 0;

	if (warned || !calls_missing(prog))
		return;
	for (i = 0; i < MODULES; i++)
		count += find_missing(object, i, missing + count);
	if (!count)
		return;
	for (i = 0; i < count; i++) {
		strcat(names, i ? ", " : "");
		strcat(names, missing[i]);
	}
	warned = true;
	warn("%s: the kernel does not have these functions of the program, and each call of them fails: %s: %s",
	     file, names, kernel_is_patched() ?
	     "install the module nf_bpf_kfunc of this kernel, and apply the policy again" :
	     "install the modules of nf-bpf-dkms for this kernel ('dkms status' lists the kernels that have them), and apply the policy again");
}
