/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by packet_log.bpf.c and packet_log.c. */
#ifndef SAMPLES_PACKET_LOG_H
#define SAMPLES_PACKET_LOG_H

/* A record of the kernel's perf buffer is less than 64 KiB. */
#define PACKET_LOG_SNAPLEN_MAX	32768

/* One logged packet. @captured bytes from its network header on follow. */
struct packet_log_event {
	__u64 time;		/* CLOCK_MONOTONIC, nanoseconds */
	struct bpf_nf_tuple tuple;
	__u32 length;		/* with the IP header */
	__u32 captured;
	__u8 hook;
	__u8 parsed;		/* enum bpf_nf_parse_result */
	__u8 fragment;		/* enum bpf_nf_fragment */
	__u8 dropped;
	__u32 zero;
};

#endif /* SAMPLES_PACKET_LOG_H */
