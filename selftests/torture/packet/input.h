/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PACKET_INPUT_H
#define PACKET_INPUT_H

#include "torture/fuzz/kfuncs.h"
#include "torture/fuzz/input.h"

enum { MAX_CALLS = 24, MAX_OPS = 12 };

enum netns { NS_CLIENT, NS_ROUTER, NS_SERVER, NR_NETNS };

enum kind {
	/* operations of the program */
	STORE, LOAD, LOAD_RELATIVE, PULL, L3_CSUM, L4_CSUM, CSUM_DIFF, HASH, COOKIE, FIB,
	PEEK, POKE, KEEP, USE, MARK, PRIORITY, PROTOCOL, REJECT, FRAG_INFO, CT_INFO, CT_GET,
	CT_MARK, CT_LABELS, CT_NAT, CT_LOOKUP, CT_ALLOC, DROP, NR_OPS,
	/* its hooks, and the packets */
	ATTACH = NR_OPS, SEND, RUN, NR_KINDS,
};

enum { S_AT, S_LEN, S_VALUE, S_FLAGS };
enum { C_AT, C_FROM, C_TO, C_FLAGS };
enum { D_FROM, D_TO, D_SEED };
enum { F_FAMILY, F_IFINDEX, F_FLAGS, F_LEN };
enum { P_FAMILY, P_TO };
enum { J_TYPE, J_CODE };
enum { N_ADDRESS, N_PORT, N_MANIP };
enum { L_SIZE, L_PROTOCOL, L_NETNS, L_ZONE, L_PORT };
enum { A_NETNS, A_PF, A_HOOK, A_PRIORITY, A_FLAGS };
enum { T_TRAFFIC, T_PATH, T_FAMILY, T_SIZE, T_EARLY, T_OPTIONS };
enum { R_PF, R_HOOK, R_SIZE, R_PROTOCOL };

enum traffic {
	TCP, UDP, UDP_CONNECTED, UDP_GSO, RAW, PING, TPROXY, FLOWTABLE, QUEUE, MULTICAST,
	NR_TRAFFIC,
};

enum { MAX_PATHS = 9, PATH_JOINED = 8 };

extern const char *const traffic_names[NR_TRAFFIC];
extern const char *const path_names[MAX_PATHS];

struct input random_input(void);

#endif
