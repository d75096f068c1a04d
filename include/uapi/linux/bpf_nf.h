/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_BPF_NF_H
#define _UAPI_LINUX_BPF_NF_H

#include <linux/types.h>

/**
 * DOC: BPF programs on netfilter hooks, beyond linux/bpf.h
 *
 * Every kernel with BPF_PROG_TYPE_NETFILTER has the program type, attach type and
 * link type, link_create.netfilter, the first four members of
 * bpf_link_info.netfilter, and BPF_F_NETFILTER_IP_DEFRAG. linux/bpf.h defines
 * these. This header defines what only some kernels have: programs and tools
 * look it up in the BTF of the running kernel.
 *
 * A link can be placed next to another one without knowing the other's priority.
 * The flags in link_create.flags are those of tcx links:
 *
 * BPF_F_BEFORE		attach at the priority before the other link or program
 * BPF_F_AFTER		attach at the priority after it
 * BPF_F_LINK		the other one is a link; without this flag, a program
 * BPF_F_ID		it is given by id in link_create.netfilter.relative_id;
 *			without this flag, by file descriptor in relative_fd
 *
 * link_create.netfilter.priority has to be 0 then. The kernel chooses the priority,
 * and bpf_link_info.netfilter contains it. If the other program is attached several
 * times, "before" means its first position and "after" its last.
 *
 * The caller can choose any number as link_create.netfilter.cookie. bpf_link_info has it,
 * and the program gets it from bpf_get_attach_cookie(): so a program that is attached
 * several times can tell the links apart.
 *
 * BPF_LINK_CREATE with a program of BPF_PROG_TYPE_NETFILTER fails with
 *
 * -EPERM		the caller lacks CAP_NET_ADMIN in its network namespace, or
 *			CAP_SYS_ADMIN while BPF_F_ID is set
 * -EINVAL		one of
 *
 *			- link_create.flags has an unknown bit
 *			- link_create.netfilter.reserved is not 0
 *			- a byte after link_create.netfilter is not 0
 *			- attach_type is not BPF_NETFILTER
 *			- prog_fd is not the fd of a program
 *			- BPF_F_NETFILTER_DEFRAG_STRICT is set without
 *			  BPF_F_NETFILTER_IP_DEFRAG
 *			- BPF_F_NETFILTER_FRAG_TRACK is set with one of these two
 *			- BPF_F_BEFORE and BPF_F_AFTER are both set
 *			- one of the two is set, and priority is not 0, or no
 *			  link or program is given
 *			- relative_fd, BPF_F_LINK or BPF_F_ID is set without
 *			  one of the two
 *			- relative_fd is not of the kind that the flags say
 *			- the relative link is not a netfilter link
 * -EAFNOSUPPORT	pf is not NFPROTO_IPV4, NFPROTO_IPV6 or NFPROTO_INET, or
 *			BPF_F_NETFILTER_IP_DEFRAG or BPF_F_NETFILTER_FRAG_TRACK is set
 *			and the kernel was built without reassembly for pf
 * -EPROTO		hooknum is not one of the five of enum nf_inet_hooks
 * -EOPNOTSUPP		link_create.netfilter.flags has an unknown bit
 * -ERANGE		priority is INT_MIN or INT_MAX, or
 *			BPF_F_NETFILTER_IP_DEFRAG is set and priority is not after
 *			NF_IP_PRI_CONNTRACK_DEFRAG (-400)
 * -EBUSY		another hook has this pf, hooknum and priority. For a relative
 *			place this is the priority next to the link or program.
 * -ESRCH		the relative link or program is not attached to this hook of
 *			this network namespace
 * -EBADF		prog_fd or relative_fd is not open
 * -ENOENT		no link or program has the id relative_id
 * -EAGAIN		the link with the id relative_id is not complete yet
 * -EINVAL, -ENOENT	the module for reassembly could not be loaded: modprobe
 *			has failed, or there is no such module
 * -EOVERFLOW		reassembly has too many users in this network namespace
 * -E2BIG		the hook has its maximum of 1024 entries, or a byte of the
 *			attribute behind the part that bpf() knows is not 0
 * -EMFILE, -ENFILE	no file descriptor is left
 * -ENOMEM		out of memory
 *
 * BPF_LINK_UPDATE fails with
 *
 * -ENOLINK		the link was detached, or its network namespace is gone
 * -EPERM		the old program was given and is not the link's program
 * -EINVAL		the new program has another type or attach type
 *
 * BPF_LINK_DETACH does not fail. It can be called more than once.
 */

/**
 * enum bpf_nf_link_flags - flags of link_create.netfilter.flags
 *
 * @BPF_F_NETFILTER_DEFRAG_STRICT: drop and count packets that are still fragments
 *	at the hook, so that the program never sees a fragment. Requires
 *	BPF_F_NETFILTER_IP_DEFRAG.
 * @BPF_F_NETFILTER_FRAG_TRACK: run the program on the first fragment of a datagram, and
 *	give its verdict, mark and priority to the later fragments, which leave as they
 *	came. If a later fragment comes before the first one, the kernel reassembles the
 *	datagram, and the program sees the whole packet. The link drops and counts fragments
 *	that do not fit together.
 */
enum bpf_nf_link_flags {
	BPF_F_NETFILTER_DEFRAG_STRICT	= 1U << 16,
	BPF_F_NETFILTER_FRAG_TRACK	= 1U << 17,
};

/**
 * enum bpf_nf_link_feature - what a netfilter link of this kernel can do
 *
 * The BTF of a kernel with mainline's link does not have this enum. Ask with
 * bpf_core_enum_value_exists(), never by kernel version.
 *
 * @BPF_NF_LINK_INET: pf can be NFPROTO_INET: one link for both address families
 * @BPF_NF_LINK_UPDATE: BPF_LINK_UPDATE replaces the program; each packet runs
 *	either the old or the new one
 * @BPF_NF_LINK_NETNS: a link does not keep its network namespace alive.
 *	bpf_link_info.netfilter.netns_ino tells in which namespace the link is
 *	attached; it is 0 after the detach.
 * @BPF_NF_LINK_STATS: bpf_link_info.netfilter has packet counters
 * @BPF_NF_LINK_PLACE: link_create.flags can place a link before or after another
 * @BPF_NF_LINK_BYTES: bpf_link_info.netfilter also counts bytes, from the IP header on,
 *	and tells the part of IPv6 in each counter
 * @BPF_NF_LINK_COOKIE: link_create.netfilter.cookie and bpf_get_attach_cookie()
 */
enum bpf_nf_link_feature {
	BPF_NF_LINK_INET	= 1,
	BPF_NF_LINK_UPDATE	= 2,
	BPF_NF_LINK_NETNS	= 3,
	BPF_NF_LINK_STATS	= 4,
	BPF_NF_LINK_PLACE	= 5,
	BPF_NF_LINK_BYTES	= 6,
	BPF_NF_LINK_COOKIE	= 7,
};

/**
 * enum bpf_nf_frag_flags - bits of bpf_nf_frag_info.flags
 *
 * @BPF_NF_FRAG_REASSEMBLED: the packet arrived in fragments and was reassembled
 * @BPF_NF_FRAG_DF: an IPv4 fragment had Don't Fragment set: the largest one, or
 *	any one but the first. Reassembly does not remember the bit of a first
 *	fragment that is not the largest.
 * @BPF_NF_FRAG_IS_FRAGMENT: the packet is a fragment; or it is IPv6 and may be one,
 *	because its header chain is truncated
 * @BPF_NF_FRAG_TRACKED: the packet is the first fragment of a datagram, and the link has
 *	BPF_F_NETFILTER_FRAG_TRACK: the verdict is that of the datagram. The addresses, the
 *	identification, the protocol, the ports and UDP's length cannot be changed.
 */
enum bpf_nf_frag_flags {
	BPF_NF_FRAG_REASSEMBLED	= 1U << 0,
	BPF_NF_FRAG_DF		= 1U << 1,
	BPF_NF_FRAG_IS_FRAGMENT	= 1U << 2,
	BPF_NF_FRAG_TRACKED	= 1U << 3,
};

/**
 * struct bpf_nf_frag_info - what bpf_nf_frag_info() tells about a packet
 * @flags: bits of enum bpf_nf_frag_flags
 * @pieces: number of fragments in which a reassembled packet arrived; 0 if the packet
 *	was not reassembled, or if a pull, a write or the reassembly for local delivery has
 *	joined fragments
 * @max_size: size of the largest fragment with its IP header, in bytes; 0 if the
 *	packet was not reassembled
 */
struct bpf_nf_frag_info {
	__u32 flags;
	__u32 pieces;
	__u32 max_size;
};

/**
 * DOC: Kernel functions of the module nf_bpf_kfunc
 *
 * A program that calls one of these functions can only be loaded while the module
 * is loaded, and keeps the module loaded. Size arguments (__sz) have to be exact.
 * The functions return -EINVAL for a NULL pointer, and for a size, flag or enum
 * value that is not documented. They check this before anything else; only a tuple
 * is checked after the options. If the kernel was built without a part (conntrack,
 * its marks, labels or zones, NAT, one address family), the functions for it are
 * absent or return -EOPNOTSUPP.
 *
 * bpf_nf_ct_get() returns the packet's conntrack entry, or NULL. bpf_nf_ct_info()
 * has no other errors than these.
 *
 * bpf_nf_ct_set_mark(), bpf_nf_ct_get_labels(), bpf_nf_ct_set_labels()
 *
 * -ENOENT		the packet has no entry
 * -ENOSPC		set_labels: the entry has no room for labels, and is in the
 *			table already, or there was no memory
 * -EBUSY		set_labels: a new entry has no room for labels, and something
 *			else uses the entry: a clone of the packet, a reference from
 *			bpf_nf_ct_get(), or an expectation
 *
 * bpf_nf_ct_lookup() and bpf_nf_ct_alloc() return NULL. They set
 * bpf_nf_ct_opts.error, if opts__sz has room for it, to
 *
 * -EINVAL		as above; also if netns_id is less than -1, zone_dir is not in
 *			enum bpf_nf_ct_zone_dir, or a reserved byte is not 0
 * -EPROTO		l4proto is neither IPPROTO_TCP nor IPPROTO_UDP
 * -EAFNOSUPPORT	tuple__sz is neither the size of bpf_sock_tuple.ipv4 nor that
 *			of bpf_sock_tuple.ipv6
 * -ENONET		no network namespace has the id netns_id
 * -ENOENT		lookup: no entry has this tuple in this zone
 * -ENOMEM		alloc: out of memory, or the table is full
 *
 * bpf_nf_ct_set_nat()
 *
 * -EINVAL		as above; also if port is above 65535
 * -EOPNOTSUPP		wrong hook: NF_NAT_MANIP_DST needs PRE_ROUTING or LOCAL_OUT,
 *			NF_NAT_MANIP_SRC needs LOCAL_IN, FORWARD or POST_ROUTING; or the
 *			packet is a tracked first fragment
 * -ENOENT		the packet has no entry
 * -EBUSY		the entry is not new; or NAT has decided about this address, as
 *			for each packet that has passed the priority of NAT; or
 *			something else uses the entry, as in bpf_nf_ct_set_labels()
 * -EUNATCH		the namespace has no hooks that translate this family
 * -ENOMEM		out of memory; the packet is unchanged
 *
 * bpf_nf_reject()
 *
 * -EINVAL		as above
 * -EOPNOTSUPP		the hook is POST_ROUTING, or the packet is a tracked first fragment
 * -EPROTO		BPF_NF_REJECT_TCP_RESET, but the packet is not TCP
 * -EBADMSG		the packet is a fragment other than the first, or its headers
 *			are truncated or malformed
 * -EADDRNOTAVAIL	the source or destination is not one host: broadcast,
 *			multicast, or no address
 * -EHOSTUNREACH	the packet has no route, as in a BPF_PROG_TEST_RUN
 * -ELOOP		the packet is the answer that another program is just sending;
 *			or the program has used too much stack, by tail calls in functions
 */

/**
 * enum bpf_nf_ct_state - bpf_nf_ct_info.state, with the bits that nft uses
 *
 * @BPF_NF_CT_INVALID: the packet has no entry: conntrack found it invalid, or has not
 *	seen it. Conntrack runs at priority -200 of PRE_ROUTING and LOCAL_OUT.
 * @BPF_NF_CT_ESTABLISHED: belongs to a connection that has seen a reply
 * @BPF_NF_CT_RELATED: starts a connection that another connection has announced,
 *	or is an ICMP error about a connection
 * @BPF_NF_CT_NEW: starts a connection, or belongs to one that has seen no reply
 * @BPF_NF_CT_UNTRACKED: the packet has no entry because a rule says notrack
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
 * @BPF_NF_CT_DIR_ORIGINAL: the direction of the connection's first packet
 * @BPF_NF_CT_DIR_REPLY: the opposite direction
 */
enum bpf_nf_ct_dir {
	BPF_NF_CT_DIR_ORIGINAL	= 0,
	BPF_NF_CT_DIR_REPLY	= 1,
};

/**
 * enum bpf_nf_ct_zone_dir - for which direction of a connection its zone is used
 *
 * @BPF_NF_CT_ZONE_BOTH: both; only for input, bpf_nf_ct_info.zone_dir is never 0
 * @BPF_NF_CT_ZONE_ORIGINAL: only the original direction; replies use zone 0
 * @BPF_NF_CT_ZONE_REPLY: only the reply direction
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
 * @state: one bit of enum bpf_nf_ct_state. If the packet has no entry, all other
 *	members are 0.
 * @status: bits of enum ip_conntrack_status (IPS_*)
 * @mark: mark of the connection
 * @zone: zone of the connection
 * @dir: direction of the packet, from enum bpf_nf_ct_dir
 * @zone_dir: from enum bpf_nf_ct_zone_dir
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
 * @bits: label n is bit n % 32 of bits[n / 32] on little endian, as in nft
 */
struct bpf_nf_ct_labels {
	__u32 bits[4];
};

/**
 * struct bpf_nf_ct_opts - options of bpf_nf_ct_lookup() and bpf_nf_ct_alloc()
 *
 * The layout is that of struct bpf_ct_opts of Linux 6.12.
 *
 * @netns_id: id of a network namespace; -1 (BPF_F_CURRENT_NETNS) for that of the hook
 * @error: out: a negative errno if the function returns NULL
 * @l4proto: IPPROTO_TCP or IPPROTO_UDP
 * @dir: out: direction of the tuple that was looked up, from enum bpf_nf_ct_dir
 * @zone: the conntrack zone
 * @zone_dir: from enum bpf_nf_ct_zone_dir
 * @reserved: has to be 0
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
 * enum bpf_nf_reject_type - the kind of answer that bpf_nf_reject() sends
 *
 * @BPF_NF_REJECT_ICMP: ICMP or ICMPv6 destination unreachable, by the family of the
 *	packet. The code is 0 to 15 for ICMP, except 4 (fragmentation needed),
 *	which would have to name an MTU; 0 to 6 for ICMPv6.
 * @BPF_NF_REJECT_ICMPX: destination unreachable. The code is from enum
 *	bpf_nf_reject_icmpx, and works for both families.
 * @BPF_NF_REJECT_TCP_RESET: a TCP reset. The code has to be 0.
 */
enum bpf_nf_reject_type {
	BPF_NF_REJECT_ICMP	= 1,
	BPF_NF_REJECT_ICMPX	= 2,
	BPF_NF_REJECT_TCP_RESET	= 3,
};

/**
 * enum bpf_nf_reject_icmpx - codes for both families, with the numbers of nft
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
