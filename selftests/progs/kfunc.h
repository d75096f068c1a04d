/* SPDX-License-Identifier: GPL-2.0 */
/* The elements of the map "values": parameters and results of progs/kfunc.bpf.c. */
#ifndef KFUNC_H
#define KFUNC_H

/* Parameters: */
#define KFUNC_INPUTS(X)							\
	X(proto)	/* packets of this protocol */			\
	X(port)		/* and from or to this port, 0 for any */	\
	X(oneway)	/* only to this port, not from it */		\
	X(verdict)	/* on these packets */				\
	X(new_mark)							\
	X(mask)								\
	X(label0)	/* the low half of the 128 labels */		\
	X(label1)							\
	X(mask0)							\
	X(mask1)							\
	X(other_port)	/* destination port of the tuple to look up */	\
	X(other_proto)							\
	X(netns_id)							\
	X(in_zone)							\
	X(in_zone_dir)							\
	X(reserved)							\
	X(timeout)	/* ms */					\
	X(addr0)	/* address for NAT, in network order */		\
	X(addr1)							\
	X(nat_port)							\
	X(source0)	/* address for NAT of the source */		\
	X(source1)							\
	X(manip)							\
	X(type)		/* arguments of bpf_nf_reject() */		\
	X(code)								\
	X(times)							\
	X(size)		/* size of arguments */

/* Results, of the last packet unless another object is named: */
#define KFUNC_OUTPUTS(X)						\
	X(packets)	/* number of packets */				\
	X(found)	/* number of entries that kfuncs returned */	\
	X(refused)	/* number of failures of bpf_nf_reject() */	\
	X(ret)		/* result of the last kfunc, or opts.error */	\
	X(source_ret)	/* result of NAT of the source */		\
	X(device)	/* ifindex of the packet after bpf_nf_reject(), or 0 */ \
	X(state)							\
	X(status)							\
	X(mark)								\
	X(zone)								\
	X(zone_dir)							\
	X(dir)								\
	X(labels0)							\
	X(labels1)							\
	X(length)

enum kfunc_value {
#define X(name) KFUNC_##name,
	KFUNC_INPUTS(X)
	KFUNC_OUTPUTS(X)
#undef X
	KFUNC_VALUES,
};

#endif
