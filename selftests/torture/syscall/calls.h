/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SYSCALL_CALLS_H
#define SYSCALL_CALLS_H

#include "torture/syscall/cover.h"
#include "torture/syscall/laws.h"
#include "torture/syscall/progs.h"

void make_pages(void);
bool run_input(const struct input *input);

#endif
