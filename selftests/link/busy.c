// SPDX-License-Identifier: GPL-2.0
/*
 * -EBUSY: which hooks keep a program from a family, hook and priority, and which do not.
 *
 * Processors: 2
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <linux/filter.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_fragment.h"
#include "helpers/nf_test.h"
#include "progs/count.skel.h"

#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)

FIXTURE(busy)
{
	const char *lacks;
	int prog_fd;
	int first;
};

FIXTURE_VARIANT(busy)
{
	struct nf_key first;
	struct nf_key second;
};

#define KEY(_pf, hook, prio) { .pf = _pf, .hooknum = hook, .priority = prio }

#define TWO_KEYS(fixture, name, _first, _second)			\
	FIXTURE_VARIANT_ADD(fixture, name)				\
	{								\
		.first = KEY _first,					\
		.second = KEY _second,					\
	}

#define IP	NFPROTO_IPV4
#define IP6	NFPROTO_IPV6
#define INET	NFPROTO_INET
#define FWD	NF_INET_FORWARD
#define OUT	NF_INET_LOCAL_OUT

TWO_KEYS(busy, ip_taken, (IP, FWD, 0), (IP, FWD, 0));
TWO_KEYS(busy, ip_taken_negative, (IP, FWD, -300), (IP, FWD, -300));
TWO_KEYS(busy, ip6_taken, (IP6, FWD, 0), (IP6, FWD, 0));
TWO_KEYS(busy, inet_taken, (INET, FWD, 0), (INET, FWD, 0));
TWO_KEYS(busy, inet_after_ip, (IP, FWD, 0), (INET, FWD, 0));
TWO_KEYS(busy, inet_after_ip6, (IP6, FWD, 0), (INET, FWD, 0));
TWO_KEYS(busy, ip_after_inet, (INET, FWD, 0), (IP, FWD, 0));
TWO_KEYS(busy, ip6_after_inet, (INET, FWD, 0), (IP6, FWD, 0));

FIXTURE_SETUP(busy)
{
	ASSERT_EQ(0, nf_netns_new());
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
	if ((variant->first.pf == INET || variant->second.pf == INET) &&
	    !nf_has_inet(self->prog_fd)) {
		self->lacks = "pf NFPROTO_INET";
		return;
	}
	self->first = nf_link(self->prog_fd, &variant->first);
	ASSERT_LE(0, self->first);
}

FIXTURE_TEARDOWN(busy)
{
	close(self->first);
	close(self->prog_fd);
}

NF_TEST_F(busy, second)
{
	int fd;

	ASSERT_EQ(-EBUSY, nf_link(self->prog_fd, &variant->second));
	close(self->first);
	self->first = -1;
	fd = nf_link(self->prog_fd, &variant->second);
	ASSERT_LE(0, fd) {
		TH_LOG("still refused once the first is gone");
	}
	close(fd);
}

/* If an inet link takes one family and the other is busy, it gives the first one back. */
NF_TEST_F(busy, refusal_leaves_nothing)
{
	struct nf_key key = variant->second;
	static const __u32 families[] = { IP, IP6 };
	int fd, i;

	ASSERT_EQ(-EBUSY, nf_link(self->prog_fd, &key));
	close(self->first);
	self->first = -1;
	for (i = 0; i < 2; i++) {
		key.pf = families[i];
		fd = nf_link(self->prog_fd, &key);
		ASSERT_LE(0, fd) {
			TH_LOG("pf %u is taken", families[i]);
		}
		close(fd);
	}
}

NF_TEST_F(busy, other_namespace)
{
	int fd;

	ASSERT_EQ(0, nf_netns_new());
	fd = nf_link(self->prog_fd, &variant->first);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, nf_link(self->prog_fd, &variant->first));
	close(fd);
}

/* Another family, hook or priority is another place. */
FIXTURE(beside)
{
	const char *lacks;
	int prog_fd;
};

FIXTURE_VARIANT(beside)
{
	struct nf_key first;
	struct nf_key second;
};

TWO_KEYS(beside, other_priority, (IP, FWD, 0), (IP, FWD, 1));
TWO_KEYS(beside, other_hook, (IP, FWD, 0), (IP, OUT, 0));
TWO_KEYS(beside, other_family, (IP, FWD, 0), (IP6, FWD, 0));
TWO_KEYS(beside, inet_other_priority, (INET, FWD, 0), (INET, FWD, -1));

FIXTURE_SETUP(beside)
{
	ASSERT_EQ(0, nf_netns_new());
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
	if (variant->first.pf == INET && !nf_has_inet(self->prog_fd))
		self->lacks = "pf NFPROTO_INET";
}

FIXTURE_TEARDOWN(beside)
{
	close(self->prog_fd);
}

NF_TEST_F(beside, both)
{
	int first, second;

	first = nf_link(self->prog_fd, &variant->first);
	ASSERT_LE(0, first);
	second = nf_link(self->prog_fd, &variant->second);
	EXPECT_LE(0, second);
	EXPECT_EQ(-EBUSY, nf_link(self->prog_fd, &variant->first));
	EXPECT_EQ(-EBUSY, nf_link(self->prog_fd, &variant->second));
	close(second);
	close(first);
}

FIXTURE(busy_nft)
{
	const char *lacks;
	int prog_fd;
};

FIXTURE_VARIANT(busy_nft)
{
	const char *family;
	__u32 pf;
};

FIXTURE_VARIANT_ADD(busy_nft, ip)
{
	.family = "ip",
	.pf = NFPROTO_IPV4,
};

FIXTURE_VARIANT_ADD(busy_nft, ip6)
{
	.family = "ip6",
	.pf = NFPROTO_IPV6,
};

FIXTURE_VARIANT_ADD(busy_nft, inet_table_ip_program)
{
	.family = "inet",
	.pf = NFPROTO_IPV4,
};

FIXTURE_VARIANT_ADD(busy_nft, ip6_table_inet_program)
{
	.family = "ip6",
	.pf = NFPROTO_INET,
};

static int nft(const char *command, const char *family, int priority)
{
	char line[256];

	snprintf(line, sizeof(line), command, family, priority);
	return system(line);
}

#define NFT_CHAIN \
	"nft 'table %s t { chain c { type filter hook forward priority %d; }; }'"
#define NFT_DELETE "nft 'delete table %s t' # %d"

FIXTURE_SETUP(busy_nft)
{
	ASSERT_EQ(0, nf_netns_new());
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
	/* nft's inet tables need IPv6, too. */
	if (strcmp(variant->family, "ip") && nf_without("ipv6"))
		self->lacks = "ipv6";
	else if (variant->pf == NFPROTO_INET && !nf_has_inet(self->prog_fd))
		self->lacks = "pf NFPROTO_INET";
}

FIXTURE_TEARDOWN(busy_nft)
{
	close(self->prog_fd);
}

NF_TEST_F(busy_nft, a_chain_is_there)
{
	struct nf_key key = { .pf = variant->pf, .hooknum = FWD };
	int fd;

	ASSERT_EQ(0, nft(NFT_CHAIN, variant->family, 0));
	EXPECT_EQ(-EBUSY, nf_link(self->prog_fd, &key));
	key.priority = 1;
	fd = nf_link(self->prog_fd, &key);
	ASSERT_LE(0, fd);
	close(fd);
	key.priority = 0;
	ASSERT_EQ(0, nft(NFT_DELETE, variant->family, 0));
	fd = nf_link(self->prog_fd, &key);
	ASSERT_LE(0, fd);
	close(fd);
}

/* A firewall can load its rules even if a program has the same place. */
NF_TEST_F(busy_nft, a_chain_comes_later)
{
	struct nf_key key = { .pf = variant->pf, .hooknum = FWD };
	int fd = nf_link(self->prog_fd, &key);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, nft(NFT_CHAIN, variant->family, 0));
	close(fd);
}

/* Begin to count calls of the function that enables reassembly, by the probe "nf_busy". */
static bool trace_reassembly(void)
{
	return !system("modprobe nf_defrag_ipv4 && cd /sys/kernel/tracing &&\n"
		       "echo p:nf_busy nf_defrag_ipv4_enable >> kprobe_events &&\n"
		       "echo 1 > events/kprobes/nf_busy/enable");
}

static void end_trace(void)
{
	if (system("cd /sys/kernel/tracing &&\n"
		   "echo 0 > events/kprobes/nf_busy/enable &&\n"
		   "echo -:nf_busy >> kprobe_events"))
		fprintf(stderr, "nf_busy: still traced\n");
}

/* Return: how often reassembly was enabled, or -1 if that is unknown */
static int times_enabled(void)
{
	int hits = -1;
	FILE *pipe;

	pipe = popen("awk '$1 == \"nf_busy\" { print $2 }' /sys/kernel/tracing/kprobe_profile",
		     "r");
	if (!pipe)
		return -1;
	if (fscanf(pipe, "%d", &hits) != 1)
		hits = -1;
	pclose(pipe);
	return hits;
}

/* A refused attach must not enable reassembly, which would keep fragments. */
TEST(refused_before_reassembly)
{
	const struct nf_key taken = { .pf = IP, .hooknum = FWD };
	struct nf_key key = taken;
	int prog_fd, first, fd;

	if (!nf_patched())
		NF_LACKS(return, "the hook before reassembly");
	key.flags = BPF_F_NETFILTER_IP_DEFRAG;
	ASSERT_EQ(0, nf_netns_new());
	prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, prog_fd);
	first = nf_link(prog_fd, &taken);
	ASSERT_LE(0, first);

	/* As in mainline, the kernel loads the module first, but keeps no reference on it. */
	ASSERT_TRUE(nf_defrag_unload());
	EXPECT_EQ(-EBUSY, nf_link(prog_fd, &key));
	EXPECT_TRUE(nf_module_is_loaded("nf_defrag_ipv4"));
	EXPECT_TRUE(nf_defrag_unload());
	ASSERT_TRUE(trace_reassembly());
	EXPECT_EQ(-EBUSY, nf_link(prog_fd, &key));
	EXPECT_EQ(0, times_enabled());
	key.priority = 1;
	fd = nf_link(prog_fd, &key);
	EXPECT_LE(0, fd);
	EXPECT_EQ(1, times_enabled());
	end_trace();
	close(fd);
	close(first);
	close(prog_fd);
}

/* These tests look for a hook that exists only for a moment. The flood and the attaching
 * thread run on two processors, so that packets can come at this moment.
 */
enum { FLOOD_CPU, ATTACH_CPU };

static pid_t start_flood(void)
{
	const pid_t flood = fork();

	if (flood)
		return flood;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (nf_bind_cpu(FLOOD_CPU))
		exit(1);
	for (;;)
		nf_flood_loopback(64);
}

static void wait_for_more(const __u64 *packets, __u64 nr)
{
	const __u64 before = READ_ONCE(*packets);

	while (READ_ONCE(*packets) < before + nr)
		sched_yield();
}

/* Send first fragments that pass reassembly. Count those that are dropped in @refused. */
static void flood_fragments(__u64 *refused)
{
	struct sockaddr_storage lo = {};
	const struct nf_fragment first = { .src = &lo, .dst = &lo, .length = 8, .more = true };
	const int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), on = 1;
	char packet[NF_HEADERS_MAX + 8] = {};
	int size;

	if (setsockopt(fd, IPPROTO_IP, IP_NODEFRAG, &on, sizeof(on)) ||
	    nf_parse_address("127.0.0.1", &lo))
		return;
	size = nf_put_header(packet, &first) + first.length;
	for (;;)
		if (sendto(fd, packet, size, 0, (void *)&lo, nf_address_length(&lo)) < 0 &&
		    errno == EPERM)
			__atomic_fetch_add(refused, 1, __ATOMIC_RELAXED);
}

static pid_t start_fragments(__u64 **refused)
{
	pid_t flood;

	*refused = mmap(NULL, sizeof(**refused), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (*refused == MAP_FAILED)
		return -1;
	flood = fork();
	if (flood)
		return flood;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!nf_bind_cpu(FLOOD_CPU))
		flood_fragments(*refused);
	exit(1);
}

enum { ATTEMPTS = 2000 };

/* A program has the place of IPv6, so an inet link is refused. A second program counts the
 * packets that pass the place of IPv4.
 */
FIXTURE(refused_half)
{
	struct count *skel;
	int first;
	int second;
	pid_t flood;
};

FIXTURE_SETUP(refused_half)
{
	const struct nf_key half = { .pf = IP6, .hooknum = OUT };
	const struct nf_key after = { .pf = IP, .hooknum = OUT, .priority = 1 };

	ASSERT_EQ(0, nf_bind_cpu(ATTACH_CPU));
	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, nf_netns_loopback_up());
	self->skel = count__open_and_load();
	ASSERT_NE(NULL, self->skel);
	self->first = nf_link(bpf_program__fd(self->skel->progs.first), &half);
	ASSERT_LE(0, self->first);
	self->second = nf_link(bpf_program__fd(self->skel->progs.second), &after);
	ASSERT_LE(0, self->second);
}

FIXTURE_TEARDOWN(refused_half)
{
	if (self->flood > 0) {
		kill(self->flood, SIGKILL);
		waitpid(self->flood, NULL, 0);
	}
	close(self->second);
	close(self->first);
	count__destroy(self->skel);
}

/* If the link is at IPv4's hook for a moment, it must not drop packets there. */
TEST_F(refused_half, judges_nothing)
{
	const int dropping = bpf_program__fd(self->skel->progs.dropping);
	struct nf_key key = { .pf = INET, .hooknum = OUT };
	int fd, i;

	if (!nf_has_inet(dropping))
		NF_LACKS(return, "pf NFPROTO_INET");
	self->flood = start_flood();
	ASSERT_LT(0, self->flood);
	wait_for_more(&self->skel->bss->second_packets, 100);
	for (i = 0; i < ATTEMPTS; i++)
		ASSERT_EQ(-EBUSY, nf_link(dropping, &key));
	EXPECT_EQ(0, READ_ONCE(self->skel->bss->dropping_packets));

	/* At a free priority, the link does drop these packets. */
	wait_for_more(&self->skel->bss->second_packets, 100);
	key.priority = -1;
	fd = nf_link(dropping, &key);
	ASSERT_LE(0, fd);
	wait_for_more(&self->skel->bss->dropping_packets, 1);
	close(fd);
}

/* A strict link drops no fragment before it has a program. */
TEST_F(refused_half, drops_no_fragment)
{
	const int accepting = bpf_program__fd(self->skel->progs.first);
	struct nf_key key = {
		.pf = INET,
		.hooknum = OUT,
		.flags = BPF_F_NETFILTER_IP_DEFRAG | BPF_F_NETFILTER_DEFRAG_STRICT,
	};
	__u64 *refused;
	int fd, i;

	if (!nf_patched())
		NF_LACKS(return, "strict");
	self->flood = start_fragments(&refused);
	ASSERT_LT(0, self->flood);
	wait_for_more(&self->skel->bss->second_packets, 100);
	for (i = 0; i < ATTEMPTS; i++)
		ASSERT_EQ(-EBUSY, nf_link(accepting, &key));
	EXPECT_EQ(0, READ_ONCE(*refused));

	/* At a free priority, the link does drop these fragments. */
	wait_for_more(&self->skel->bss->second_packets, 100);
	key.priority = -1;
	fd = nf_link(accepting, &key);
	ASSERT_LE(0, fd);
	wait_for_more(refused, 1);
	close(fd);
	munmap(refused, sizeof(*refused));
}

TEST_HARNESS_MAIN
