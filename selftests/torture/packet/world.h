/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PACKET_WORLD_H
#define PACKET_WORLD_H

#include <limits.h>
#include <regex.h>

#include "torture/packet/progs.h"

/* False facts for the self-test. The fuzzer has to notice each. */
enum lie {
	LIE_NONE, LIE_LOG, LIE_COUNTER, LIE_ACCEPTED, LIE_REFUSED, LIE_SOCKET, LIE_CONNTRACK,
	LIE_MODULE, NR_LIES,
};

struct path {
	char from[2][48];	/* addresses of client and server, IPv4 and IPv6 */
	char to[2][48];
};

struct world {
	int netns[NR_NETNS];
	char suffix[16];
	char script[PATH_MAX];
	struct path paths[MAX_PATHS];
	bool has[NR_TRAFFIC];
	bool track;
	int kmsg;
	regex_t splat;
	int map, nr_cpus;
	int base_sockets[NR_NETNS], base_references;
	enum lie lie;
	bool shrinking, patient;
	char complaint[512];
	int queue;			/* netlink socket of the NFQUEUE, or -1 */
	long runs, loaded, refused, busy, packets[2];
	long ops[NR_OPS], sent[NR_TRAFFIC], received[NR_TRAFFIC], ways[MAX_PATHS], at[5];
};

extern struct world world;

void complain(const char *format, ...);
void enter(enum netns netns);
void log_case(const char *name);
void judge_log(void);
void forget_warnings(void);
int count_sockets(void);
int count_references(void);
int wait_for_count(int (*count)(void), int expected);
void judge_machine(void);
void make_world(void);

#endif
