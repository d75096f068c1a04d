/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by firewall.bpf.c and firewall.c. */
#ifndef SAMPLES_FIREWALL_H
#define SAMPLES_FIREWALL_H

/*
 * The value of a rule. Its key is a struct bpf_nf_tuple in the direction of the first
 * packet of a connection. Members that are 0 match any value.
 */
struct firewall_rule {
	__u64 packets;	/* in both directions */
	__u64 bytes;	/* in both directions, with the IP header */
};

#endif /* SAMPLES_FIREWALL_H */
