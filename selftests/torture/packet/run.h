/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PACKET_RUN_H
#define PACKET_RUN_H

#include "torture/packet/traffic.h"

struct run {
	int prog;
	int links[MAX_CALLS], nr_links;
	struct flow flows[MAX_CALLS];
	int nr_flows;
};

int load(const struct input *input);
void attach(struct run *run, const long *arg);
bool run_input(const struct input *input, bool settle);

#endif
