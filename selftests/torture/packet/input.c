// SPDX-License-Identifier: GPL-2.0
/*
 * The inputs of packet_fuzz: the operations of one program in their order, the places where
 * it is attached, and the packets that are sent. Each of these is a call, one line of text.
 */
#include <limits.h>
#include <netinet/in.h>

#include "torture/packet/input.h"

const char *const traffic_names[NR_TRAFFIC] = {
	"tcp", "udp", "udp connected", "udp gso", "raw", "ping", "tproxy", "flowtable",
	"queue", "multicast",
};

const char *const path_names[MAX_PATHS] = {
	"direct", "ipip", "gre", "vxlan", "vrf", "bridge", "narrow", "ipsec",
	"joined",
};

#define DEFRAG BPF_F_NETFILTER_IP_DEFRAG
#define STRICT (DEFRAG | BPF_F_NETFILTER_DEFRAG_STRICT)

/* Offsets of protocol and next header, ihl, lengths, checksums, addresses, ports, flags. */
#define ARG_AT(...) \
	ARG("at", ##__VA_ARGS__, 9, 0, 6, 2, 10, 12, 16, 20, 22, 24, 26, 32, 36, 40, 42, 44, 46, \
	    52, 60)

/* Addresses of the client, the server, loopback, multicast; protocols, lengths, ... */
#define ARG_WORD(name) \
	ARG(name, 0, -1, 17, 6, 1, 0x020200c0, 0x026433c6, 0x0100007f, 0x010000e0, 0x45, 0x60, \
	    58, 44, 43, 50, 0xff, 0x1100, 0x80, INT_MIN, 136)

const struct fuzz_kind kinds[NR_KINDS] = {
	[STORE] = { "store", {
		ARG_AT(), ARG("len", 1, 2, 4, 8, 16, 20, 40, 63, 64),
		ARG_WORD("value"), ARG("flags", 0, 1, 2, 3, 4, -1) } },
	[LOAD] = { "load", {
		ARG_AT(9, -1), ARG("len", 1, 2, 4, 8, 16, 20, 40, 63, 64) } },
	[LOAD_RELATIVE] = { "load_relative", {
		ARG_AT(), ARG("len", 1, 2, 4, 14, 20, 40, 64),
		ARG("from", 0, 1, 2, -1) } },
	[PULL] = { "pull", {
		ARG("len", 0, 1, 20, 28, 40, 60, 100, 1000, 1500, 1504, 2000, 4000, 65535,
		    -1) } },
	[L3_CSUM] = { "l3_csum", {
		ARG_AT(10), ARG_WORD("from"), ARG_WORD("to"),
		ARG("flags", 2, 4, 0, 1, 8, 15, -1) } },
	[L4_CSUM] = { "l4_csum", {
		ARG_AT(26, 36, 46, 56, 22), ARG_WORD("from"), ARG_WORD("to"),
		ARG("flags", 2, 4, 0, 0x12, 0x14, 0x10, 0x22, 0x32, 0x62, 0x80, 0x90, -1) } },
	[CSUM_DIFF] = { "csum_diff", {
		ARG("from", 8, 0, 4, 16, 64, 3), ARG("to", 8, 0, 4, 16, 64, 3),
		ARG_WORD("seed") } },
	[HASH] = { "hash", { } },
	[COOKIE] = { "cookie", { } },
	[FIB] = { "fib", {
		ARG("family", 2, 10, 0, 255), ARG("ifindex", 0, 1, 2, 3, 4, -1),
		ARG("flags", 0, 1, 2, 3, 4, 8, -1), ARG("len", 0, 1, 1500, 65535) } },
	[PEEK] = { "peek", { ARG_AT(), ARG("len", 1, 2, 4, 8) } },
	[POKE] = { "poke", { ARG_AT(), ARG("len", 1, 2, 4, 8) } },
	[KEEP] = { "keep", { ARG("len", 20, 28, 40, 60, 8, 100) } },
	[USE] = { "use", { ARG("at", 0, 1, 6, 9, 12, 19) } },
	[MARK] = { "mark", { ARG_WORD("value") } },
	[PRIORITY] = { "priority", { ARG_WORD("value") } },
	[PROTOCOL] = { "protocol", {
		ARG("family", 4, 6),
		ARG("to", 17, 6, 1, 58, 136, 132, 33, 50, 51, 47, 4, 41, 2, 44, 0, 255) } },
	[REJECT] = { "reject", {
		ARG("type", 2, 1, 3, 0, 4), ARG("code", 1, 0, 2, 3, 4, 13, 255) } },
	[FRAG_INFO] = { "frag_info", { ARG("size", 12, 0, 8, 16) } },
	[CT_INFO] = { "ct_info", { ARG("size", 16, 0, 8, 32) } },
	[CT_GET] = { "ct_get", { } },
	[CT_MARK] = { "ct_mark", { ARG_WORD("value"), ARG("mask", -1, 0, 1, 0xff) } },
	[CT_LABELS] = { "ct_labels", { ARG_WORD("value"), ARG("mask", -1, 0, 1, 0xff) } },
	[CT_NAT] = { "ct_nat", {
		ARG_WORD("address"), ARG("port", 0, 1, 4000, 5000, 65535, 65536, -1),
		ARG("manip", MANIP_DST, MANIP_SRC, 2) } },
	[CT_LOOKUP] = { "ct_lookup", {
		ARG("size", 12, 36, 0, 8), ARG("protocol", 17, 6, 1, 0), ARG("netns", -1, 0, -2),
		ARG("zone", 0, 1, 65535), ARG("port", 5000, 0, -1) } },
	[CT_ALLOC] = { "ct_alloc", {
		ARG("size", 12, 36, 0, 8), ARG("protocol", 17, 6, 1, 0), ARG("netns", -1, 0, -2),
		ARG("zone", 0, 1, 65535), ARG("port", 5000, 0, -1) } },
	[DROP] = { "drop", { ARG("mask", 7, 3, 1, 0, 15, 63) } },
	[ATTACH] = { "attach", {
		ARG("netns", NS_SERVER, NS_ROUTER, NS_CLIENT),
		ARG("pf", NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6),
		ARG("hook", NF_INET_LOCAL_IN, NF_INET_PRE_ROUTING, NF_INET_FORWARD,
		    NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING),
		ARG("priority", 1, -450, -399, -250, -175, -120, -50, 30, 75, 150, 275, 400),
		ARG("flags", 0, DEFRAG, STRICT) } },
	[SEND] = { "send", {
		ARG("traffic", TCP, UDP, UDP_CONNECTED, UDP_GSO, RAW, PING, TPROXY, FLOWTABLE,
		    QUEUE, MULTICAST),
		ARG("path", 0, 1, 2, 3, 4, 5, 6, 7, 8), ARG("family", 4, 6),
		ARG("size", 100, 1, 1000, 3000, 9000, 30000, 60000), ARG("early", 1, 0),
		ARG("options", 0, 0, 0, 1, 2) } },
	[RUN] = { "run", {
		ARG("pf", NFPROTO_IPV4, NFPROTO_IPV6),
		ARG("hook", NF_INET_FORWARD, NF_INET_PRE_ROUTING, NF_INET_LOCAL_IN,
		    NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING),
		ARG("size", 100, 40, 60, 1000, 1500), ARG("protocol", 17, 6, 1, 58, 44) } },
};

const int nr_kinds = NR_KINDS, max_calls = MAX_CALLS;

/* Operations that change much of a packet are more frequent. */
static enum kind random_op(void)
{
	static const enum kind often[] = {
		STORE, STORE, STORE, STORE, PROTOCOL, PROTOCOL, L3_CSUM, L4_CSUM, PULL, PULL,
		REJECT, REJECT, KEEP, USE, PEEK, MARK, DROP, CT_NAT, CT_GET,
	};

	return below(3) ? often[below(ARRAY_SIZE(often))] : below(NR_OPS);
}

static struct call random_of_kind(enum kind kind)
{
	struct call call = default_call(kind);
	int i;

	for (i = 0; i < nr_args(kind); i++) {
		if (kind < NR_OPS && below(3))
			call.arg[i] = random_value(&kinds[kind].args[i], call.arg[i]);
		else if (kind >= NR_OPS && below(2))
			call.arg[i] = kinds[kind].args[i].values[below(kinds[kind].args[i].nr)];
	}
	return call;
}

struct call random_call(void)
{
	switch (below(8)) {
	case 0:
		return random_of_kind(ATTACH);
	case 1:
		return random_of_kind(SEND);
	case 2:
		return random_of_kind(below(8) ? SEND : RUN);
	default:
		return random_of_kind(random_op());
	}
}

/* Add segments that the router joins. After the program, the kernel separates them again. */
static void add_joined(struct input *input)
{
	struct call send = random_of_kind(SEND), attach = random_of_kind(ATTACH);

	send.arg[T_TRAFFIC] = TCP;
	send.arg[T_PATH] = PATH_JOINED;
	send.arg[T_SIZE] = 30000;
	attach.arg[A_NETNS] = NS_ROUTER;
	attach.arg[A_HOOK] = below(3);
	input->calls[input->nr++] = attach;
	input->calls[input->nr++] = send;
}

static void add_calls(struct input *input, enum kind kind, int nr)
{
	while (nr--)
		input->calls[input->nr++] = random_of_kind(kind);
}

/* Add a program that uses a packet pointer after a call that may move the packet. */
static void add_stale_use(struct input *input)
{
	static const enum kind movers[] = { REJECT, REJECT, REJECT, STORE, PULL, L3_CSUM, L4_CSUM };

	add_calls(input, KEEP, 1);
	add_calls(input, movers[below(ARRAY_SIZE(movers))], 1);
	add_calls(input, USE, 1);
}

struct input random_input(void)
{
	struct input input = {};
	int nr = 1 + below(6);

	while (nr--)
		add_calls(&input, random_op(), 1);
	if (!below(12))
		add_stale_use(&input);
	if (!below(8))
		add_joined(&input);
	add_calls(&input, ATTACH, 1 + below(3));
	add_calls(&input, SEND, 1 + below(3));
	if (!below(8))
		add_calls(&input, RUN, 1);
	return input;
}
