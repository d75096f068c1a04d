/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PACKET_TRAFFIC_H
#define PACKET_TRAFFIC_H

#include "torture/packet/queue.h"

/* The sockets of a flow; -1: none. */
struct flow {
	const long *arg;
	enum traffic traffic;
	bool ipv6;
	int client, server, listener;
};

void open_flow(struct flow *flow);
bool flow_of(struct flow *flow, const struct call *call);
void use_flow(struct flow *flow);
void close_flow(struct flow *flow);

#endif
