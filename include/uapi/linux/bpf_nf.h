/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_BPF_NF_H
#define _UAPI_LINUX_BPF_NF_H

#include <linux/types.h>

/**
 * DOC: BPF programs on netfilter hooks, beyond linux/bpf.h
 *
 * linux/bpf.h holds what every kernel with BPF_PROG_TYPE_NETFILTER shares: the
 * program, attach and link type, link_create.netfilter, bpf_link_info.netfilter
 * and BPF_F_NETFILTER_IP_DEFRAG. This header holds what is found by feature.
 *
 * BPF_LINK_CREATE with a program of BPF_PROG_TYPE_NETFILTER fails with
 *
 * -EPERM		the caller lacks CAP_NET_ADMIN in its network namespace, or
 *			CAP_SYS_ADMIN to name a link or program by id
 * -EINVAL		link_create.flags or a byte behind
 *			link_create.netfilter is not 0, attach_type is not
 *			BPF_NETFILTER, strict without
 *			BPF_F_NETFILTER_IP_DEFRAG, a place that is neither or
 *			both of before and after, or that comes with a priority,
 *			relative_fd without a place or of the wrong kind, a
 *			relative link that is not a netfilter link, or prog_fd
 *			that is not a program
 * -EAFNOSUPPORT	pf is not NFPROTO_IPV4, NFPROTO_IPV6 or NFPROTO_INET, or
 *			defragmentation is asked for and not built for pf
 * -EPROTO		hooknum is not one of the five of enum nf_inet_hooks
 * -EOPNOTSUPP		link_create.netfilter.flags has an unknown bit
 * -ERANGE		priority is INT_MIN or INT_MAX, or, with
 *			BPF_F_NETFILTER_IP_DEFRAG, not after
 *			NF_IP_PRI_CONNTRACK_DEFRAG (-400)
 * -EBUSY		another hook has this pf, hooknum and priority, also
 *			when that is the one next to a relative program
 * -ESRCH		the relative link or program is not at this hook of this
 *			network namespace
 * -EBADF, -ENOENT	no such relative link or program; no such prog_fd
 * -EAGAIN		the relative link, by id, is not complete yet
 * -EINVAL, -ENOENT	the module for defragmentation could not be loaded: modprobe
 *			has failed, or there is none
 * -EOVERFLOW		too many users of defragmentation in this namespace
 * -E2BIG		the hook has its maximum of 1024 entries, or the
 *			attribute has something behind what bpf() knows
 * -EMFILE, -ENFILE	no file descriptor is left
 * -ENOMEM		out of memory
 *
 * BPF_LINK_UPDATE fails with
 *
 * -ENOLINK		the link was detached, or its network namespace is gone
 * -EPERM		the old program given is not the link's program
 * -EINVAL		the new program is of another type or attach type
 *
 * BPF_LINK_DETACH does not fail, however often it is called.
 */

/**
 * enum bpf_nf_link_flags - link_create.netfilter.flags of this kernel's own
 *
 * @BPF_F_NETFILTER_DEFRAG_STRICT: with BPF_F_NETFILTER_IP_DEFRAG: what still is
 *	a fragment at the hook is dropped and counted; the program never sees one
 * @BPF_F_NETFILTER_BEFORE: at the priority before another program's;
 *	link_create.netfilter.priority is 0
 * @BPF_F_NETFILTER_AFTER: at the priority after another program's
 * @BPF_F_NETFILTER_LINK: relative_fd is a link; without it, a program
 * @BPF_F_NETFILTER_ID: relative_id holds an id, not a file descriptor
 *
 * bpf_link_info.netfilter has the priority that was chosen, and of the flags
 * those for defragmentation.
 */
enum bpf_nf_link_flags {
	BPF_F_NETFILTER_DEFRAG_STRICT	= 1U << 16,
	BPF_F_NETFILTER_BEFORE		= 1U << 17,
	BPF_F_NETFILTER_AFTER		= 1U << 18,
	BPF_F_NETFILTER_LINK		= 1U << 19,
	BPF_F_NETFILTER_ID		= 1U << 20,
};

/**
 * enum bpf_nf_link_feature - what a netfilter link of this kernel can do
 *
 * A kernel with mainline's link has none of these: the enum is absent from its
 * BTF. Ask with bpf_core_enum_value_exists(), never by kernel version.
 *
 * @BPF_NF_LINK_INET: pf NFPROTO_INET, one link for both address families
 * @BPF_NF_LINK_UPDATE: BPF_LINK_UPDATE replaces the program, atomically for
 *	each packet
 * @BPF_NF_LINK_NETNS: a link does not keep its network namespace alive, and
 *	bpf_link_info.netfilter.netns_ino says which one it is attached in, 0
 *	once it is detached
 * @BPF_NF_LINK_STATS: bpf_link_info.netfilter counts packets
 */
enum bpf_nf_link_feature {
	BPF_NF_LINK_INET	= 1,
	BPF_NF_LINK_UPDATE	= 2,
	BPF_NF_LINK_NETNS	= 3,
	BPF_NF_LINK_STATS	= 4,
};

/**
 * enum bpf_nf_frag_flags - bits of bpf_nf_frag_info.flags
 *
 * @BPF_NF_FRAG_REASSEMBLED: the packet came in pieces and is whole now
 * @BPF_NF_FRAG_DF: the largest piece of an IPv4 datagram, or any after the
 *	first, had Don't Fragment set; of a first one that is not the largest
 *	reassembly does not keep it
 * @BPF_NF_FRAG_IS_FRAGMENT: it still is a fragment, or the IPv6 header chain is
 *	cut so that it cannot be told
 */
enum bpf_nf_frag_flags {
	BPF_NF_FRAG_REASSEMBLED	= 1U << 0,
	BPF_NF_FRAG_DF		= 1U << 1,
	BPF_NF_FRAG_IS_FRAGMENT	= 1U << 2,
};

/**
 * struct bpf_nf_frag_info - what bpf_nf_frag_info() tells of a packet
 * @flags: enum bpf_nf_frag_flags
 * @pieces: how many fragments a reassembled packet came in; 0 when it is none,
 *	or when a pull or a write has joined some of them
 * @max_size: bytes of the largest one, with its IP header; 0 when it is none
 */
struct bpf_nf_frag_info {
	__u32 flags;
	__u32 pieces;
	__u32 max_size;
};

/**
 * DOC: What programs call: kernel functions of the module nf_bpf_kfunc
 *
 * A program that calls one of them loads when the module is loaded, and keeps it
 * loaded. Sizes (the __sz arguments) are exact. A pointer that is NULL, a size,
 * flag or enum value that is not documented: -EINVAL, before a look at anything
 * else (at a tuple, after the options). What the kernel was built without
 * (conntrack, its marks, labels or zones, NAT, one address family) is absent, or
 * says -EOPNOTSUPP.
 *
 * bpf_nf_ct_get() returns the packet's entry or NULL; bpf_nf_ct_info() does not
 * fail otherwise.
 *
 * bpf_nf_ct_set_mark(), bpf_nf_ct_get_labels(), bpf_nf_ct_set_labels()
 *
 * -ENOENT		the packet has no entry
 * -ENOSPC		set: the entry has no room for labels: it is in the table
 *			already, or there was no memory for them
 * -EBUSY		set: a new entry has no room for labels, and is not the
 *			packet's alone: a clone of the packet has it, or the program by
 *			bpf_nf_ct_get()
 *
 * bpf_nf_ct_lookup() and bpf_nf_ct_alloc() return NULL and set
 * bpf_nf_ct_opts.error, if opts__sz has room for it, to
 *
 * -EINVAL		as above, also netns_id less than -1, a zone_dir that is
 *			not of enum bpf_nf_ct_zone_dir, reserved bytes not 0
 * -EPROTO		l4proto is neither IPPROTO_TCP nor IPPROTO_UDP
 * -EAFNOSUPPORT	tuple__sz is the size of neither bpf_sock_tuple.ipv4 nor
 *			bpf_sock_tuple.ipv6
 * -ENONET		no network namespace has the id netns_id
 * -ENOENT		lookup: no entry has this tuple in this zone
 * -ENOMEM		alloc: out of memory, or the table is full
 *
 * bpf_nf_ct_set_nat()
 *
 * -EINVAL		as above, also a port above 65535
 * -EOPNOTSUPP		the hook does not suit: NF_NAT_MANIP_DST is for
 *			PRE_ROUTING and LOCAL_OUT, NF_NAT_MANIP_SRC for LOCAL_IN,
 *			FORWARD and POST_ROUTING
 * -ENOENT		the packet has no entry
 * -EBUSY		the entry is not new, or has this kind of NAT already:
 *			also none, decided where the priority of NAT was passed;
 *			or it is not the packet's alone, as above
 * -EUNATCH		the namespace has no hooks that translate this family
 * -ENOMEM		out of memory: the packet is as it was
 *
 * bpf_nf_reject()
 *
 * -EINVAL		as above
 * -EOPNOTSUPP		the hook is POST_ROUTING
 * -EPROTO		BPF_NF_REJECT_TCP_RESET and the packet is not TCP
 * -EBADMSG		the packet is a fragment that is not the first, or its
 *			headers are not whole
 * -EADDRNOTAVAIL	it came from or was sent to more than one, or none
 * -EHOSTUNREACH	it has no route, as in a BPF_PROG_TEST_RUN
 * -ELOOP		it is an answer to an answer to an answer to an answer that
 *			programs at LOCAL_OUT gave
 */

/**
 * enum bpf_nf_ct_state - bpf_nf_ct_info.state, with nft's bits
 *
 * @BPF_NF_CT_INVALID: no entry: conntrack could not make sense of the packet, or
 *	did not see it (yet: it runs at priority -200 of PRE_ROUTING and LOCAL_OUT)
 * @BPF_NF_CT_ESTABLISHED: of a connection that was answered
 * @BPF_NF_CT_RELATED: begins a connection that another one has announced, or an
 *	ICMP error about one
 * @BPF_NF_CT_NEW: begins a connection, or goes on with one that has no answer yet
 * @BPF_NF_CT_UNTRACKED: no entry, as a rule demanded
 */
enum bpf_nf_ct_state {
	BPF_NF_CT_INVALID	= 1U << 0,
	BPF_NF_CT_ESTABLISHED	= 1U << 1,
	BPF_NF_CT_RELATED	= 1U << 2,
	BPF_NF_CT_NEW		= 1U << 3,
	BPF_NF_CT_UNTRACKED	= 1U << 6,
};

/**
 * enum bpf_nf_ct_dir - bpf_nf_ct_info.dir, bpf_nf_ct_opts.dir
 *
 * @BPF_NF_CT_DIR_ORIGINAL: as the first packet of the connection
 * @BPF_NF_CT_DIR_REPLY: the other way
 */
enum bpf_nf_ct_dir {
	BPF_NF_CT_DIR_ORIGINAL	= 0,
	BPF_NF_CT_DIR_REPLY	= 1,
};

/**
 * enum bpf_nf_ct_zone_dir - the direction in which an entry is in its zone
 *
 * @BPF_NF_CT_ZONE_BOTH: both; bpf_nf_ct_info.zone_dir never has this one
 * @BPF_NF_CT_ZONE_ORIGINAL: original only, replies are in zone 0
 * @BPF_NF_CT_ZONE_REPLY: reply only
 * @BPF_NF_CT_ZONE_ORIGINAL_AND_REPLY: both
 */
enum bpf_nf_ct_zone_dir {
	BPF_NF_CT_ZONE_BOTH			= 0,
	BPF_NF_CT_ZONE_ORIGINAL			= 1,
	BPF_NF_CT_ZONE_REPLY			= 2,
	BPF_NF_CT_ZONE_ORIGINAL_AND_REPLY	= 3,
};

/**
 * struct bpf_nf_ct_info - what conntrack knows of a packet
 *
 * @state: one bit of enum bpf_nf_ct_state. Without an entry all others are 0.
 * @status: bits of enum ip_conntrack_status (IPS_*)
 * @mark: the connection's mark
 * @zone: its zone
 * @dir: enum bpf_nf_ct_dir, of the packet
 * @zone_dir: enum bpf_nf_ct_zone_dir
 */
struct bpf_nf_ct_info {
	__u32 state;
	__u32 status;
	__u32 mark;
	__u16 zone;
	__u8 dir;
	__u8 zone_dir;
};

/**
 * struct bpf_nf_ct_labels - the 128 labels of a connection
 *
 * @bits: label n is bit n % 32 of bits[n / 32] (on little endian), as nft has it
 */
struct bpf_nf_ct_labels {
	__u32 bits[4];
};

/**
 * struct bpf_nf_ct_opts - options of bpf_nf_ct_lookup() and bpf_nf_ct_alloc()
 *
 * The layout is that of struct bpf_ct_opts of Linux 6.12.
 *
 * @netns_id: id of a network namespace, -1 (BPF_F_CURRENT_NETNS) for the hook's
 * @error: out: a negative errno when NULL is returned
 * @l4proto: IPPROTO_TCP or IPPROTO_UDP
 * @dir: out of a lookup: enum bpf_nf_ct_dir, of the tuple
 * @zone: the zone
 * @zone_dir: enum bpf_nf_ct_zone_dir
 * @reserved: 0
 */
struct bpf_nf_ct_opts {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u16 zone;
	__u8 zone_dir;
	__u8 reserved[3];
};

/**
 * enum bpf_nf_reject_type - what bpf_nf_reject() answers
 *
 * @BPF_NF_REJECT_ICMP: destination unreachable, of the packet's own family, with
 *	the code given: ICMP 0 to 15 without 4 (fragmentation needed, which has to
 *	name an MTU), or ICMPv6 0 to 6
 * @BPF_NF_REJECT_ICMPX: destination unreachable, with the family's code for one of
 *	enum bpf_nf_reject_icmpx
 * @BPF_NF_REJECT_TCP_RESET: a TCP reset; code is 0
 */
enum bpf_nf_reject_type {
	BPF_NF_REJECT_ICMP	= 1,
	BPF_NF_REJECT_ICMPX	= 2,
	BPF_NF_REJECT_TCP_RESET	= 3,
};

/**
 * enum bpf_nf_reject_icmpx - codes that both families have, with nft's numbers
 *
 * @BPF_NF_REJECT_NO_ROUTE: ICMP 0, ICMPv6 0
 * @BPF_NF_REJECT_PORT_UNREACH: ICMP 3, ICMPv6 4
 * @BPF_NF_REJECT_HOST_UNREACH: ICMP 1, ICMPv6 3
 * @BPF_NF_REJECT_ADMIN_PROHIBITED: ICMP 13, ICMPv6 1
 */
enum bpf_nf_reject_icmpx {
	BPF_NF_REJECT_NO_ROUTE		= 0,
	BPF_NF_REJECT_PORT_UNREACH	= 1,
	BPF_NF_REJECT_HOST_UNREACH	= 2,
	BPF_NF_REJECT_ADMIN_PROHIBITED	= 3,
};

#endif /* _UAPI_LINUX_BPF_NF_H */
