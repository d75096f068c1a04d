// SPDX-License-Identifier: GPL-2.0
/*
 * If the kernel has kcov, this records which code a call of syscall_fuzz reaches in this
 * project's functions, which it finds by their names in /proc/kallsyms.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/kcov.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "torture/syscall/cover.h"

struct cover cover = { .fd = -1 };

static bool cover_is_ours(const char *name)
{
	return !strncmp(name, "bpf_nf_", 7) || !strncmp(name, "nf_bpf_", 7) ||
	       !strcmp(name, "bpf_nf_prog_test_run");
}

static FILE *cover_open_symbols(void)
{
	FILE *file = fopen("/proc/kallsyms", "r");

	if (!file)
		bail("/proc/kallsyms", 0);
	return file;
}

static void cover_find_functions(void)
{
	FILE *file = cover_open_symbols();
	unsigned long address;
	char type, name[256];

	while (fscanf(file, "%lx %c %255s%*[^\n]", &address, &type, name) == 3) {
		if (cover.nr_functions == COVER_FUNCTIONS || !cover_is_ours(name) ||
		    !strchr("tT", type))
			continue;
		cover.functions[cover.nr_functions].start = address;
		cover.functions[cover.nr_functions].end = ULONG_MAX;
		cover.functions[cover.nr_functions].name = strdup(name);
		if (!cover.functions[cover.nr_functions++].name)
			bail("memory", -ENOMEM);
	}
	fclose(file);
}

/* A function ends at the next symbol of any kind. Symbols of modules are not sorted. */
static void cover_find_ends(void)
{
	FILE *file = cover_open_symbols();
	unsigned long address;
	int i;

	while (fscanf(file, "%lx%*[^\n]", &address) == 1)
		for (i = 0; i < cover.nr_functions; i++)
			if (address > cover.functions[i].start && address < cover.functions[i].end)
				cover.functions[i].end = address;
	fclose(file);
}

void cover_open(void)
{
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	cover.fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (cover.fd < 0)
		return;
	if (ioctl(cover.fd, KCOV_INIT_TRACE, COVER_WORDS))
		bail("KCOV_INIT_TRACE", 0);
	cover.trace = mmap(NULL, COVER_WORDS * sizeof(*cover.trace), PROT_READ | PROT_WRITE,
			   MAP_SHARED, cover.fd, 0);
	if (cover.trace == MAP_FAILED)
		bail("trace of kcov", 0);
	cover_find_functions();
	cover_find_ends();
	if (!cover.nr_functions)
		bail("/proc/kallsyms: no function of this program type", -ENOENT);
}

void cover_start(void)
{
	if (cover.fd < 0)
		return;
	if (ioctl(cover.fd, KCOV_ENABLE, KCOV_TRACE_PC))
		bail("KCOV_ENABLE", 0);
	__atomic_store_n(&cover.trace[0], 0, __ATOMIC_RELAXED);
}

static int cover_function(unsigned long pc)
{
	int i;

	for (i = 0; i < cover.nr_functions; i++)
		if (pc >= cover.functions[i].start && pc < cover.functions[i].end)
			return i;
	return -1;
}

static void cover_add(unsigned long slot, unsigned long pc, int function)
{
	cover.seen[slot].pc = pc;
	cover.seen[slot].nr = cover.nr_seen;
	cover.function_of[cover.nr_seen++] = function;
	cover.functions[function].reached = true;
	cover.is_new = true;
}

static void cover_take(unsigned long pc)
{
	const unsigned long hash = pc * 0x9e3779b97f4a7c15UL >> 48;
	unsigned long slot = hash;
	int function;

	if (cover.others[hash] == pc)
		return;
	while (cover.seen[slot].pc && cover.seen[slot].pc != pc)
		slot = (slot + 1) % COVER_SEEN;
	if (!cover.seen[slot].pc) {
		function = cover_function(pc);
		if (function < 0)
			cover.others[hash] = pc;
		if (function < 0 || cover.nr_seen == COVER_PLACES)
			return;
		cover_add(slot, pc, function);
	}
	cover.now.bits[cover.seen[slot].nr / 64] |= 1ULL << cover.seen[slot].nr % 64;
}

void cover_stop(void)
{
	unsigned long i, nr;

	if (cover.fd < 0)
		return;
	nr = __atomic_load_n(&cover.trace[0], __ATOMIC_RELAXED);
	if (ioctl(cover.fd, KCOV_DISABLE, 0))
		bail("KCOV_DISABLE", 0);
	for (i = 1; i <= nr && i < COVER_WORDS; i++)
		cover_take(cover.trace[i]);
}

/* Return: true if there was new coverage since the last call */
bool cover_is_new(void)
{
	bool is_new = cover.is_new;

	cover.is_new = false;
	return is_new;
}

void cover_print(void)
{
	int i, reached = 0;

	if (cover.fd < 0) {
		puts("# figure: coverage: this kernel has no kcov");
		return;
	}
	for (i = 0; i < cover.nr_functions; i++)
		reached += cover.functions[i].reached;
	printf("# figure: coverage: %d places in %d functions of %d\n", cover.nr_seen, reached,
	       cover.nr_functions);
	printf("# figure: not reached:");
	for (i = 0; i < cover.nr_functions; i++)
		if (!cover.functions[i].reached)
			printf(" %s", cover.functions[i].name);
	putchar('\n');
}
