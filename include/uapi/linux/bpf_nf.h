/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_BPF_NF_H
#define _UAPI_LINUX_BPF_NF_H

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
 * -EINVAL		link_create.flags is not 0, or attach_type is not
 *			BPF_NETFILTER
 * -EAFNOSUPPORT	pf is not NFPROTO_IPV4, NFPROTO_IPV6 or NFPROTO_INET, or
 *			defragmentation is asked for and not built for pf
 * -EPROTO		hooknum is not one of the five of enum nf_inet_hooks
 * -EOPNOTSUPP		link_create.netfilter.flags has an unknown bit
 * -ERANGE		priority is INT_MIN or INT_MAX, or, with
 *			BPF_F_NETFILTER_IP_DEFRAG, not after
 *			NF_IP_PRI_CONNTRACK_DEFRAG (-400)
 * -EBUSY		another hook has this pf, hooknum and priority
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
 */
enum bpf_nf_link_feature {
	BPF_NF_LINK_INET	= 1,
	BPF_NF_LINK_UPDATE	= 2,
	BPF_NF_LINK_NETNS	= 3,
};

#endif /* _UAPI_LINUX_BPF_NF_H */
