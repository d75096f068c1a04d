/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by firewall.bpf.c and firewall.c. */
#ifndef SAMPLES_FIREWALL_H
#define SAMPLES_FIREWALL_H

/*
 * The value of a rule; its key is a struct bpf_nf_tuple as the first packet of a
 * connection has it, with 0 for what may be anything.
 */
struct firewall_rule {
	__u64 packets;	/* in both directions, as are the bytes */
	__u64 bytes;	/* with the IP header */
};

#endif /* SAMPLES_FIREWALL_H */
