// SPDX-License-Identifier: GPL-2.0
/* Routes a multicast group from one device to others. The routes end with this process. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/mroute.h>
#include <linux/mroute6.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "helpers/nf_test.h"

static const char usage[] =
	"Usage: mroute [-j] NETNS SOURCE GROUP FROM_DEVICE TO_DEVICE...\n"
	"\n"
	"Prints \"ready\" when the route is there. The route ends with the process. With -j the\n"
	"process also joins the group on the first TO_DEVICE.\n"
	"\n"
	"Exit status: 1 failed, 2 wrong arguments.\n";

static void die(const char *what, const char *object)
{
	fprintf(stderr, "mroute: %s: %s: %s\n", what, object, strerror(errno));
	exit(1);
}

static void set(int fd, int level, int option, const void *value, socklen_t length,
		const char *object)
{
	if (setsockopt(fd, level, option, value, length))
		die("setsockopt", object);
}

static int index_of(const char *device)
{
	int index = if_nametoindex(device);

	if (!index)
		die("device", device);
	return index;
}

/* Number 0 is the device that packets come from. */
static void route_ipv4(const char *source, const char *group, char **devices, int nr)
{
	struct mfcctl route = { .mfcc_parent = 0 };
	struct vifctl vif = {
		.vifc_flags = VIFF_USE_IFINDEX,
		.vifc_threshold = 1,
	};
	int fd, i, on = 1;

	fd = socket(AF_INET, SOCK_RAW, IPPROTO_IGMP);
	if (fd < 0)
		die("socket", "IGMP");
	set(fd, IPPROTO_IP, MRT_INIT, &on, sizeof(on), "MRT_INIT");
	for (i = 0; i < nr; i++) {
		vif.vifc_vifi = i;
		vif.vifc_lcl_ifindex = index_of(devices[i]);
		set(fd, IPPROTO_IP, MRT_ADD_VIF, &vif, sizeof(vif), devices[i]);
		route.mfcc_ttls[i] = i ? 1 : 0;
	}
	if (inet_pton(AF_INET, source, &route.mfcc_origin) != 1 ||
	    inet_pton(AF_INET, group, &route.mfcc_mcastgrp) != 1)
		die("address", group);
	set(fd, IPPROTO_IP, MRT_ADD_MFC, &route, sizeof(route), group);
}

static void route_ipv6(const char *source, const char *group, char **devices, int nr)
{
	struct mf6cctl route = {
		.mf6cc_origin.sin6_family = AF_INET6,
		.mf6cc_mcastgrp.sin6_family = AF_INET6,
	};
	struct mif6ctl mif = { .vifc_threshold = 1 };
	int fd, i, on = 1;

	fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	if (fd < 0)
		die("socket", "ICMPv6");
	set(fd, IPPROTO_IPV6, MRT6_INIT, &on, sizeof(on), "MRT6_INIT");
	for (i = 0; i < nr; i++) {
		mif.mif6c_mifi = i;
		mif.mif6c_pifi = index_of(devices[i]);
		set(fd, IPPROTO_IPV6, MRT6_ADD_MIF, &mif, sizeof(mif), devices[i]);
		if (i)
			IF_SET(i, &route.mf6cc_ifset);
	}
	if (inet_pton(AF_INET6, source, &route.mf6cc_origin.sin6_addr) != 1 ||
	    inet_pton(AF_INET6, group, &route.mf6cc_mcastgrp.sin6_addr) != 1)
		die("address", group);
	set(fd, IPPROTO_IPV6, MRT6_ADD_MFC, &route, sizeof(route), group);
}

static void join(const char *group, const char *device)
{
	struct group_req request = { .gr_interface = index_of(device) };
	int family = strchr(group, ':') ? AF_INET6 : AF_INET;
	struct sockaddr_in6 *v6 = (void *)&request.gr_group;
	struct sockaddr_in *v4 = (void *)&request.gr_group;
	int fd = socket(family, SOCK_DGRAM, 0);

	request.gr_group.ss_family = family;
	if (fd < 0 || inet_pton(family, group, family == AF_INET ? (void *)&v4->sin_addr :
				(void *)&v6->sin6_addr) != 1)
		die("socket", group);
	set(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, MCAST_JOIN_GROUP, &request,
	    sizeof(request), group);
}

int main(int argc, char **argv)
{
	bool joins = argc > 1 && !strcmp(argv[1], "-j");

	if (joins) {
		argv++;
		argc--;
	}
	if (argc < 6) {
		fputs(usage, stderr);
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	errno = -nf_netns_enter(argv[1]);
	if (errno)
		die("netns", argv[1]);
	if (strchr(argv[2], ':'))
		route_ipv6(argv[2], argv[3], argv + 4, argc - 4);
	else
		route_ipv4(argv[2], argv[3], argv + 4, argc - 4);
	if (joins)
		join(argv[3], argv[5]);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
