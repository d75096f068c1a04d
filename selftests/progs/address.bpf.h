/* SPDX-License-Identifier: GPL-2.0 */
/* Functions for programs that translate addresses without conntrack. */
#ifndef ADDRESS_BPF_H
#define ADDRESS_BPF_H

/* The four changed bytes of an address, for the transport checksum. */
struct address_change {
	__be32 old;
	__be32 new;
};

/*
 * Replace the last byte of the address whose last four bytes are at @at, and correct the
 * IPv4 checksum. Return: 0, or a negative errno
 */
static __always_inline int replace_last_byte(struct bpf_nf_ctx *ctx, bool v6, __u32 at,
					     __u8 byte, struct address_change *change)
{
	const __u32 ip_check = 10;
	int err;

	err = bpf_nf_skb_load_bytes(ctx, at, &change->old, sizeof(change->old));
	if (err)
		return err;
	change->new = (change->old & ~bpf_htonl(0xff)) | bpf_htonl(byte);
	err = bpf_nf_skb_store_bytes(ctx, at, &change->new, sizeof(change->new), 0);
	if (err || v6)
		return err;
	return bpf_nf_l3_csum_replace(ctx, ip_check, change->old, change->new,
				   sizeof(change->new));
}

#endif
