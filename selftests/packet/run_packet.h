/* SPDX-License-Identifier: GPL-2.0 */
/* Runs a program of progs/bpf_helpers.bpf.c for one packet. */
#ifndef RUN_PACKET_H
#define RUN_PACKET_H

#include <errno.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "helpers/nf_test.h"
#include "packet/progs/bpf_helpers.skel.h"

/* Make an Ethernet frame of the packet in @opts, and run the program for the frame. */
static inline int run_frame(const struct packet_bpf_helpers *skel, int prog,
			    struct bpf_test_run_opts *opts, const struct ether_header *eth)
{
	unsigned char in[ETH_HLEN + sizeof(skel->bss->after)], out[sizeof(in)] = {};
	struct bpf_test_run_opts frame = *opts;
	int err;

	if (opts->data_size_in > sizeof(in) - ETH_HLEN ||
	    opts->data_size_out > sizeof(out) - ETH_HLEN)
		return -E2BIG;
	memcpy(in, eth, ETH_HLEN);
	memcpy(in + ETH_HLEN, opts->data_in, opts->data_size_in);
	frame.data_in = in;
	frame.data_size_in = ETH_HLEN + opts->data_size_in;
	if (nf_has_pkt_pointers()) {
		frame.data_out = out;
		frame.data_size_out = ETH_HLEN + opts->data_size_out;
	} else {
		frame.data_out = NULL;
		frame.data_size_out = 0;
	}
	err = bpf_prog_test_run_opts(prog, &frame);
	opts->retval = frame.retval;
	if (nf_has_pkt_pointers()) {
		memcpy(opts->data_out, out + ETH_HLEN, opts->data_size_out);
		opts->data_size_out = frame.data_size_out - ETH_HLEN;
	} else {
		memcpy(opts->data_out, skel->bss->after, opts->data_size_out);
		opts->data_size_out = skel->bss->after_size;
	}

	return err;
}

/**
 * run_packet - run a program for a packet, on a patched or an unmodified kernel
 * @skel: the object of @prog
 * @prog: the program
 * @opts: options of bpf_prog_test_run_opts(); data_in and data_out begin with the network
 *	header, and have room for a packet of bss->after
 * @eth: the header of the link layer, or NULL
 *
 * At PRE_ROUTING, an unmodified kernel expects an Ethernet header, and it does not return the
 * packet. There the program returns it, in bss->after.
 *
 * Return: 0, or a negative error
 */
static inline int run_packet(const struct packet_bpf_helpers *skel,
			     const struct bpf_program *prog, struct bpf_test_run_opts *opts,
			     const struct ether_header *eth)
{
	const struct iphdr *iph = opts->data_in;
	const struct ether_header any = {
		.ether_type = htons(iph->version == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP),
	};

	if (eth || !nf_has_pkt_pointers())
		return run_frame(skel, bpf_program__fd(prog), opts, eth ?: &any);
	return bpf_prog_test_run_opts(bpf_program__fd(prog), opts);
}

#endif
