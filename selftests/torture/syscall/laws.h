/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SYSCALL_LAWS_H
#define SYSCALL_LAWS_H

#include "torture/syscall/world.h"

struct reasons {
	int nr;
	int errnums[16];
};

void reason(struct reasons *why, int errnum);
void judge(enum kind kind, int err, const struct reasons *why);
void judge_errno(enum kind kind, int err, const int *known, int nr);
void reasons_of_size(struct reasons *why, const __u8 *page, __u32 size, int last);
struct reasons why_not_create(const __u8 *page, __u32 size, const __u32 *attr,
			      struct nf_key *key);
struct reasons why_not_update(const __u8 *page, __u32 size, const __u32 *attr);
void judge_addresses(enum kind kind, const void *data, __u32 size);
void judge_untouched(enum kind kind, const __u8 *from, const __u8 *end, __u8 fill);
void judge_verdict(__u32 verdict);
void judge_count(const char *what, int (*count)(void), int expected);
int count_links(void);
int count_progs(void);
int count_bpf_hooks(void);
void judge_machine(void);

#endif
