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
 * -EPERM		the caller lacks CAP_NET_ADMIN in its network namespace
 * -EINVAL		link_create.flags is not 0, attach_type is not
 *			BPF_NETFILTER, strict without
 *			BPF_F_NETFILTER_IP_DEFRAG, a place that is neither or
 *			both of before and after, or that comes with a priority,
 *			or a relative link that is not a netfilter link
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
 * -EBADF, -ENOENT	no such relative link or program
 * -EAGAIN		the relative link, by id, is not complete yet
 * -ENOENT		the module for defragmentation could not be loaded
 * -EOVERFLOW		too many users of defragmentation in this namespace
 * -E2BIG		the hook has its maximum of 1024 entries
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
 *	or when a pull or a write has joined them
 * @max_size: bytes of the largest one, with its IP header; 0 when it is none
 */
struct bpf_nf_frag_info {
	__u32 flags;
	__u32 pieces;
	__u32 max_size;
};

#endif /* _UAPI_LINUX_BPF_NF_H */
