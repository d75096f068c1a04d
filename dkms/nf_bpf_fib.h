/* SPDX-License-Identifier: GPL-2.0 */
/* Route lookups of programs on an unmodified kernel. On a patched kernel, programs use
 * bpf_ipv4_fib_lookup() and bpf_ipv6_fib_lookup() of net/core/filter.c. An unmodified kernel
 * does not let modules call these two functions, so this header has functions of the same
 * names, arguments and results. The lookup for IPv4 has two limits, because an unmodified
 * kernel does not export the functions that it would need:
 *
 * - It returns -EOPNOTSUPP if the route has several paths.
 * - It does not know a path MTU that the kernel has learned from ICMP errors.
 *
 * Callers are under RCU, and have bottom halves disabled. Include this header before
 * nf_bpf_packet.h.
 */
#ifndef _NF_BPF_FIB_H
#define _NF_BPF_FIB_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <net/addrconf.h>
#include <net/arp.h>
#include <net/dsfield.h>
#include <net/inet_dscp.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ip_fib.h>
#include <net/ipv6_stubs.h>
#include <net/l3mdev.h>
#include <net/lwtunnel.h>
#include <net/ndisc.h>

/* Get the id of the table for a lookup with BPF_FIB_LOOKUP_DIRECT. */
static u32 nf_bpf_fib_table(const struct net_device *dev, struct bpf_fib_lookup *params,
			    u32 flags)
{
	u32 id;

	if (!(flags & BPF_FIB_LOOKUP_TBID))
		return l3mdev_fib_table_rcu(dev) ?: RT_TABLE_MAIN;
	id = params->tbid;
	/* tbid and the result h_vlan_proto are in one union. */
	params->tbid = 0;
	return id;
}

/* Fill the last members of the result: the link-layer addresses, the VLAN and the MTU. */
static int nf_bpf_fib_finish(struct bpf_fib_lookup *params, const struct net_device *dev,
			     const struct neighbour *neigh, u32 flags, u32 mtu)
{
	if (!(flags & BPF_FIB_LOOKUP_SKIP_NEIGH)) {
		if (!neigh || !(READ_ONCE(neigh->nud_state) & NUD_VALID))
			return BPF_FIB_LKUP_RET_NO_NEIGH;
		memcpy(params->dmac, neigh->ha, ETH_ALEN);
		memcpy(params->smac, dev->dev_addr, ETH_ALEN);
	}
	params->h_vlan_TCI = 0;
	params->h_vlan_proto = 0;
	if (mtu)
		params->mtu_result = mtu;
	return BPF_FIB_LKUP_RET_SUCCESS;
}

#if IS_ENABLED(CONFIG_INET)

/* With CONFIG_IP_MULTIPLE_TABLES the kernel does not export fib_get_table(). */
static struct fib_table *nf_bpf_fib_get_table(struct net *net, u32 id)
{
	struct hlist_head *head;
	struct fib_table *table;

	head = &net->ipv4.fib_table_hash[(id ?: RT_TABLE_MAIN) & (FIB_TABLE_HASHSZ - 1)];
	hlist_for_each_entry_rcu(table, head, tb_hlist) {
		if (table->tb_id == (id ?: RT_TABLE_MAIN))
			return table;
	}
	return NULL;
}

/* Linux 6.18 has replaced flowi4_tos, a number, by flowi4_dscp, which has a type of its own. */
static void nf_bpf_fib4_set_dscp(struct flowi4 *flow, u8 tos)
{
#ifdef flowi4_dscp
	flow->flowi4_dscp = inet_dsfield_to_dscp(tos);
#else
	flow->flowi4_tos = tos & INET_DSCP_MASK;
#endif
}

static int nf_bpf_fib4_search(struct net *net, struct net_device *dev,
			      struct bpf_fib_lookup *params, u32 flags,
			      struct fib_result *res)
{
	bool output = flags & BPF_FIB_LOOKUP_OUTPUT;
	struct flowi4 flow = {
		.flowi4_iif	= output ? LOOPBACK_IFINDEX : params->ifindex,
		.flowi4_oif	= output ? params->ifindex : 0,
		.flowi4_scope	= RT_SCOPE_UNIVERSE,
		.flowi4_proto	= params->l4_protocol,
		.daddr		= params->ipv4_dst,
		.saddr		= params->ipv4_src,
		.fl4_sport	= params->sport,
		.fl4_dport	= params->dport,
	};
	struct fib_table *table;

	nf_bpf_fib4_set_dscp(&flow, params->tos);
	if (flags & BPF_FIB_LOOKUP_DIRECT) {
		table = nf_bpf_fib_get_table(net, nf_bpf_fib_table(dev, params, flags));
		return table ? fib_table_lookup(table, &flow, res, FIB_LOOKUP_NOREF) : -ENOENT;
	}
	if (flags & BPF_FIB_LOOKUP_MARK)
		flow.flowi4_mark = params->mark;
	flow.flowi4_uid = sock_net_uid(net, NULL);
	return fib_lookup(net, &flow, res, FIB_LOOKUP_NOREF);
}

/* Return: BPF_FIB_LKUP_RET_*. Some errors of a lookup stand for the type of the route. */
static int nf_bpf_fib4_result(int err, const struct fib_result *res)
{
	switch (err) {
	case 0:
		break;
	case -EINVAL:
		return BPF_FIB_LKUP_RET_BLACKHOLE;
	case -EHOSTUNREACH:
		return BPF_FIB_LKUP_RET_UNREACHABLE;
	case -EACCES:
		return BPF_FIB_LKUP_RET_PROHIBIT;
	default:
		return BPF_FIB_LKUP_RET_NOT_FWDED;
	}
	return res->type == RTN_UNICAST ? BPF_FIB_LKUP_RET_SUCCESS :
					  BPF_FIB_LKUP_RET_NOT_FWDED;
}

static u32 nf_bpf_fib4_mtu(const struct net *net, const struct fib_result *res)
{
	bool locked = res->fi->fib_metrics->metrics[RTAX_LOCK - 1] & BIT(RTAX_MTU);
	u32 mtu = 0;

	if (READ_ONCE(net->ipv4.sysctl_ip_fwd_use_pmtu) || locked)
		mtu = res->fi->fib_mtu;
	if (!mtu)
		mtu = min(READ_ONCE(res->nhc->nhc_dev->mtu), IP_MAX_MTU);
	return mtu - lwtunnel_headroom(res->nhc->nhc_lwtstate, mtu);
}

/* Fill in the source address that the kernel would choose, and the next hop. */
static void nf_bpf_fib4_addresses(const struct fib_result *res, u32 flags,
				  struct bpf_fib_lookup *params)
{
	const struct fib_nh_common *nhc = res->nhc;

	if (flags & BPF_FIB_LOOKUP_SRC)
		params->ipv4_src = res->fi->fib_prefsrc ?:
				   inet_select_addr(nhc->nhc_dev, nhc->nhc_gw_family == AF_INET ?
						    nhc->nhc_gw.ipv4 : 0, res->fi->fib_scope);
	if (nhc->nhc_gw_family == AF_INET6) {
		params->family = AF_INET6;
		memcpy(params->ipv6_dst, &nhc->nhc_gw.ipv6, sizeof(params->ipv6_dst));
	} else if (nhc->nhc_gw_family) {
		params->ipv4_dst = nhc->nhc_gw.ipv4;
	}
}

static int bpf_ipv4_fib_lookup(struct net *net, struct bpf_fib_lookup *params, u32 flags,
			       bool check_mtu)
{
	struct net_device *dev = dev_get_by_index_rcu(net, params->ifindex);
	struct fib_result res;
	struct in_device *in;
	u32 mtu = 0;
	int ret;

	if (!dev)
		return -ENODEV;
	in = __in_dev_get_rcu(dev);
	if (!in || !IN_DEV_FORWARD(in))
		return BPF_FIB_LKUP_RET_FWD_DISABLED;

	ret = nf_bpf_fib4_result(nf_bpf_fib4_search(net, dev, params, flags, &res), &res);
	if (ret)
		return ret;
	/* fib_select_path() is not exported. */
	if (fib_info_num_path(res.fi) > 1)
		return -EOPNOTSUPP;
	if (check_mtu) {
		mtu = nf_bpf_fib4_mtu(net, &res);
		if (params->tot_len > mtu) {
			params->mtu_result = mtu;
			return BPF_FIB_LKUP_RET_FRAG_NEEDED;
		}
	}
	if (res.nhc->nhc_lwtstate)
		return BPF_FIB_LKUP_RET_UNSUPP_LWT;

	dev = res.nhc->nhc_dev;
	params->rt_metric = res.fi->fib_priority;
	params->ifindex = dev->ifindex;
	nf_bpf_fib4_addresses(&res, flags, params);
	if (res.nhc->nhc_gw_family == AF_INET6)
		return nf_bpf_fib_finish(params, dev,
					 __ipv6_neigh_lookup_noref_stub(dev, params->ipv6_dst),
					 flags, mtu);
	return nf_bpf_fib_finish(params, dev,
				 __ipv4_neigh_lookup_noref(dev, (__force u32)params->ipv4_dst),
				 flags, mtu);
}

#endif /* CONFIG_INET */

#if IS_ENABLED(CONFIG_IPV6)

/* Find the route and, if it has several paths, the path. */
static int nf_bpf_fib6_search(struct net *net, struct net_device *dev,
			      struct bpf_fib_lookup *params, u32 flags,
			      struct fib6_result *res)
{
	bool output = flags & BPF_FIB_LOOKUP_OUTPUT;
	int strict = output ? 0 : RT6_LOOKUP_F_HAS_SADDR;
	struct flowi6 flow = {
		.flowi6_iif	= output ? LOOPBACK_IFINDEX : params->ifindex,
		.flowi6_oif	= output ? params->ifindex : 0,
		.flowlabel	= params->flowinfo,
		.flowi6_proto	= params->l4_protocol,
		.fl6_sport	= params->sport,
		.fl6_dport	= params->dport,
	};
	struct fib6_table *table;
	int err;

	memcpy(&flow.daddr, params->ipv6_dst, sizeof(flow.daddr));
	memcpy(&flow.saddr, params->ipv6_src, sizeof(flow.saddr));
	if (flags & BPF_FIB_LOOKUP_DIRECT) {
		table = ipv6_stub->fib6_get_table(net, nf_bpf_fib_table(dev, params, flags));
		if (!table)
			return -ENOENT;
		err = ipv6_stub->fib6_table_lookup(net, table, dev->ifindex, &flow, res, strict);
	} else {
		if (flags & BPF_FIB_LOOKUP_MARK)
			flow.flowi6_mark = params->mark;
		flow.flowi6_uid = sock_net_uid(net, NULL);
		err = ipv6_stub->fib6_lookup(net, dev->ifindex, &flow, res, strict);
	}
	if (err || IS_ERR_OR_NULL(res->f6i) || res->f6i == net->ipv6.fib6_null_entry)
		return -ENOENT;
	/* Routes of other types have no path. */
	if (res->fib6_type == RTN_UNICAST)
		ipv6_stub->fib6_select_path(net, res, &flow, flow.flowi6_oif, output, NULL,
					    strict);
	return 0;
}

static int nf_bpf_fib6_result(int err, const struct fib6_result *res)
{
	if (err)
		return BPF_FIB_LKUP_RET_NOT_FWDED;
	switch (res->fib6_type) {
	case RTN_UNICAST:
		return BPF_FIB_LKUP_RET_SUCCESS;
	case RTN_BLACKHOLE:
		return BPF_FIB_LKUP_RET_BLACKHOLE;
	case RTN_UNREACHABLE:
		return BPF_FIB_LKUP_RET_UNREACHABLE;
	case RTN_PROHIBIT:
		return BPF_FIB_LKUP_RET_PROHIBIT;
	default:
		return BPF_FIB_LKUP_RET_NOT_FWDED;
	}
}

/* Return: 0, or a negative error: there is no source address */
static int nf_bpf_fib6_source(struct net *net, const struct fib6_result *res,
			      const struct in6_addr *dst, struct in6_addr *src)
{
	if (res->f6i->fib6_prefsrc.plen) {
		*src = res->f6i->fib6_prefsrc.addr;
		return 0;
	}
	return ipv6_bpf_stub->ipv6_dev_get_saddr(net, res->nh->fib_nh_dev, dst, 0, src);
}

static int bpf_ipv6_fib_lookup(struct net *net, struct bpf_fib_lookup *params, u32 flags,
			       bool check_mtu)
{
	struct in6_addr *src = (struct in6_addr *)params->ipv6_src;
	struct in6_addr *dst = (struct in6_addr *)params->ipv6_dst;
	struct in6_addr to = *dst;
	struct fib6_result res = {};
	struct inet6_dev *idev;
	struct net_device *dev;
	u32 mtu = 0;
	int ret;

	/* Packets of link-local addresses are not forwarded. */
	if (rt6_need_strict(&to) || rt6_need_strict(src))
		return BPF_FIB_LKUP_RET_NOT_FWDED;
	dev = dev_get_by_index_rcu(net, params->ifindex);
	if (!dev)
		return -ENODEV;
	idev = __in6_dev_get_safely(dev);
	if (!idev || !READ_ONCE(idev->cnf.forwarding))
		return BPF_FIB_LKUP_RET_FWD_DISABLED;

	ret = nf_bpf_fib6_result(nf_bpf_fib6_search(net, dev, params, flags, &res), &res);
	if (ret)
		return ret;
	if (check_mtu) {
		mtu = ipv6_stub->ip6_mtu_from_fib6(&res, &to, src);
		if (params->tot_len > mtu) {
			params->mtu_result = mtu;
			return BPF_FIB_LKUP_RET_FRAG_NEEDED;
		}
	}
	if (res.nh->fib_nh_lws)
		return BPF_FIB_LKUP_RET_UNSUPP_LWT;

	dev = res.nh->fib_nh_dev;
	params->rt_metric = res.f6i->fib6_metric;
	params->ifindex = dev->ifindex;
	if (res.nh->fib_nh_gw_family)
		*dst = res.nh->fib_nh_gw6;
	if (flags & BPF_FIB_LOOKUP_SRC && nf_bpf_fib6_source(net, &res, &to, src))
		return BPF_FIB_LKUP_RET_NO_SRC_ADDR;
	return nf_bpf_fib_finish(params, dev, __ipv6_neigh_lookup_noref_stub(dev, dst), flags,
				 mtu);
}

#endif /* CONFIG_IPV6 */

#endif /* _NF_BPF_FIB_H */
