/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SYSCALL_WORLD_H
#define SYSCALL_WORLD_H

#include "torture/fuzz/kfuncs.h"
#include "torture/syscall/input.h"

#define BPFFS "/dev/shm/syscall_fuzz.XXXXXX"

enum { UNOPENED = 0x7ffffff0, ERRNO_LIMIT = 600 };

/* False facts for the self-test. The fuzzer has to notice each. */
enum lie {
	LIE_NONE, LIE_ERRNO, LIE_SUCCESS, LIE_FAILURE, LIE_LINKS, LIE_HOOKS, LIE_PROGS,
	LIE_ADDRESS, LIE_BEYOND_INFO, LIE_BEYOND_PACKET, LIE_VERDICT, LIE_CTX_OUT, NR_LIES,
};

/* A link exists while it has an fd or pins, and is attached until it is detached. */
struct link {
	int fd;
	int pins;
	bool attached;
	__u32 id;
	__u32 prog_id;
	__u32 pf, hook, flags;
	__s32 prio;
};

struct world {
	int prog[3];			/* REF_ACCEPT, REF_DROP, REF_LOADED */
	__u32 prog_id[3];
	struct link links[NR_LINKS];
	struct link *pinned[NR_PINS];
	bool occupied[NR_PINS];		/* by a link or by something else */
	int file, map, foreign_prog, foreign_link;
	__u32 foreign_prog_id, foreign_link_id;
	int base_links, base_progs;
	int attr_size;			/* of the kernel's union bpf_attr */
	int state_size, state_hook, state_pf;
	enum lie lie;
	bool shrinking;
	char complaint[512];
	long calls[NR_KINDS], good[NR_KINDS], errors[ERRNO_LIMIT];
	long verdicts[2];
	char *paths[NR_PATHS];
	char directory[sizeof(BPFFS)];
};

extern struct world world;

void complain(const char *format, ...);
bool link_exists(const struct link *link);
int ref_fd(long ref);
__u32 ref_id(long ref);
struct link *link_of_fd(int fd);
struct link *link_of_id(__u32 id);
__u32 prog_id_of_fd(int fd);
int error_of_fd(int fd);
struct link *free_link(void);
void drop_link_fd(struct link *link);
void drop_pin(int path);
void drop_loaded(void);
void drop_everything(void);
int count_ids(int (*next)(__u32 id, __u32 *next_id));
void make_world(void);

#endif
