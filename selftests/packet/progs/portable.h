/* SPDX-License-Identifier: GPL-2.0 */
/* Between portable.bpf.c and ../portable.c, behind bpf/bpf_netfilter.h. */
#ifndef PORTABLE_H
#define PORTABLE_H

struct portable_io {
	/* For read_at: so many bytes from there, with an offset known at compile time
	 * or not.
	 */
	__u32 off;
	__u32 len;

	/* From both. */
	__u32 runs;
	__u32 linear;
	__u32 length;

	/* From parse. */
	__s32 result;
	struct bpf_nf_flow flow;

	/* From details and inner. */
	struct {
		struct bpf_nf_ip ip;
		struct bpf_nf_gre gre;
		__s32 ip_result;
		__s32 gre_result;
		__s32 tcp_flags;
		__s32 vtag_result;
		__s32 esp_result;
		__s32 ah_result;
		__s32 icmp_result;
		__be32 vtag;
		__be32 esp_spi;
		__be32 ah_spi;
		__be16 icmp_id;
		/* To inner. */
		__be16 vxlan_port;
	} details;

	/* From read_at. */
	__u8 found;
	__u8 copied;
	__u8 bytes[40];

	/* From frag_info, ct_state and mark, with result. */
	__u32 frag_flags;
	__u32 frag_pieces;
	__u32 ct_state;
	__u32 mark_before;
	__u32 mark_after;
	__u32 priority;
};

enum {
	/* The buffer of read_at is filled with this byte before the read. */
	PORTABLE_FILLER	= 0xa5,
};

#endif
