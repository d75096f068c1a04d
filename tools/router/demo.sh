#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Compare one policy on five routers, with real fragments: see usage().

set -euo pipefail

usage()
{
	cat <<-'EOF_USAGE'
	Usage: demo.sh [--json] [--results FILE]

	Sends fragmented DNS answers and forbidden UDP over IPv4 and IPv6 through a router.
	The policy is "accept UDP port 53 and ICMP, drop other UDP". The router runs
	without a policy, with the policy at tc in two ways, and with the policy as a
	netfilter BPF program. Prints the packets that got through, measured on the wires.
	With --json it prints only the measurements. With --results it writes them to FILE
	as well, one JSON object a line, from which report.py makes its tables.

	Run it with "make demo", or as root on a kernel with CONFIG_NETFILTER_BPF_LINK.

	Exit status: 0 all results are as expected, 1 a result is not (see stderr),
	2 wrong use.
	EOF_USAGE
}

# shellcheck source=env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=dns.sh
source "$ROUTER_DIR/dns.sh"

JSON=
RESULTS=
while (($#)); do
	case $1 in
	--help)
		usage
		exit 0 ;;
	--json)
		JSON=--json ;;
	--results)
		(($# > 1)) || { usage >&2; exit 2; }
		RESULTS=$2
		shift ;;
	*)
		usage >&2
		exit 2 ;;
	esac
	shift
done

say()
{
	[[ $JSON ]] || printf '%s\n' "$*"
}

# Show a command as the router's administrator would type it, and run it.
run()
{
	say "  # $*"
	"$@"
}

clean_up()
{
	local status=$?

	dns_down
	router_down
	rm -rf "$PINS" "$DIR"
	exit "$status"
}

STATUS=0
DIR=$(mktemp -d)
PINS=$BPFFS/demo$NS_SUFFIX
trap clean_up EXIT

measure()
{
	python "$ROUTER_DIR/measure.py" "$@" >>"$DIR/results"
}

tc_policy()
{
	local program=$1 device

	for device in "$ROUTER_LEFT_DEV" "$ROUTER_RIGHT_DEV"; do
		in_ns "$NS_ROUTER" tc qdisc replace dev "$device" clsact
		say "  # tc filter add dev $device ingress bpf direct-action object-pinned $PINS/tc/$program"
		in_ns "$NS_ROUTER" tc filter add dev "$device" ingress \
			bpf direct-action object-pinned "$PINS/tc/$program"
	done
}

tc_clear()
{
	local device

	for device in "$ROUTER_LEFT_DEV" "$ROUTER_RIGHT_DEV"; do
		in_ns "$NS_ROUTER" tc qdisc delete dev "$device" clsact
	done
}

# Only this project's kernel knows the flag.
can_track()
{
	grep -qa BPF_F_NETFILTER_FRAG_TRACK /sys/kernel/btf/vmlinux
}

track_policy()
{
	run bpftool net attach netfilter \
		pinned "$PINS/track/udp_policy_track" inet hook forward \
		fragments track netns "$NS_ROUTER" pin "$PINS/link-track"
}

netfilter_policy()
{
	run bpftool net attach netfilter pinned "$PINS/nf/udp_policy_netfilter" hook forward \
		defrag netns "$NS_ROUTER" pin "$PINS/link"
}

load()
{
	mkdir -p "$PINS"
	bpftool prog loadall "$SAMPLES/udp_policy_tc.bpf.o" "$PINS/tc" pinmaps "$PINS/tc"
	bpftool prog loadall "$SAMPLES/udp_policy_netfilter.bpf.o" "$PINS/nf" pinmaps "$PINS/nf"
	bpftool prog loadall "$SAMPLES/udp_policy_track.bpf.o" "$PINS/track" pinmaps "$PINS/track"
}

check_links()
{
	local id shown

	id=$(bpftool -j prog show pinned "$PINS/nf/udp_policy_netfilter" | jq .id)
	shown=$(bpftool -j net show "$@" |
		jq --argjson id "$id" '[.[].netfilter[]? | select(.id == $id)] | length')
	if [[ $shown != 1 ]]; then
		warn "bpftool net show: program $id: expected one entry, found $shown"
		return 1
	fi
}

# nft of Debian 12 prints the name of the function, but not the program.
check_hooks()
{
	if (($(grep -c bpf "$DIR/hooks") != 2)); then
		warn "nft list hooks: expected a BPF hook in each family"
		return 1
	fi
}

show_router()
{
	local -a netns=(netns "$NS_ROUTER")

	in_ns "$NS_ROUTER" nft list hooks >"$DIR/hooks" || STATUS=1
	# A kernel that lists no hooks cannot tell the namespace of a link either.
	if [[ ! -s $DIR/hooks && ! ${NF_BPF_PATCHED-} ]]; then
		echo "(nothing: this kernel has no CONFIG_NETFILTER_NETLINK_HOOK)" >"$DIR/hooks"
		netns=()
	else
		check_hooks || STATUS=1
	fi
	check_links "${netns[@]}" || STATUS=1

	say "The router's own report:"
	run bpftool net show "${netns[@]}"
	say
	say "  # nft list hooks"
	cat "$DIR/hooks"
	say
}

where_next()
{
	say "Where to go next:"
	say "  make shell                      this router at a prompt"
	say "  make run PROG=my.bpf.o          your own program on it, with verdicts by flow"
	say "  samples/minimal                 a program in 18 lines"
	say "  samples/udp-policy              the policy of this demo"
	say "  Documentation/index.rst         for operators, authors and kernel developers"
}

main()
{
	((EUID == 0)) || die "needs root: make demo runs it in a guest"
	need_tools bpftool dig ip jq nft tc
	need_bpffs
	need_samples
	say "client $CLIENT_IP4 $CLIENT_IP6  --  router  --  server $SERVER_IP4 $SERVER_IP6"
	router_up
	dns_up "$DIR"
	load

	say "1. no policy"
	measure none

	say "2. tc, later fragments accepted"
	tc_policy udp_policy_accept_later
	measure tc-accept "$PINS/tc/verdicts"
	tc_clear

	say "3. tc, later fragments dropped"
	tc_policy udp_policy_drop_later
	measure tc-drop "$PINS/tc/verdicts"
	tc_clear

	if can_track; then
		say "4. netfilter BPF with track"
		track_policy
		measure track "$PINS/track/verdicts"
		rm "$PINS/link-track"
	fi

	say "5. netfilter BPF with defrag"
	netfilter_policy
	measure netfilter "$PINS/nf/verdicts"

	[[ ! $RESULTS ]] || cp "$DIR/results" "$RESULTS"

	say
	say "Bytes of data / fragments that reached the server:"
	say
	python "$ROUTER_DIR/report.py" $JSON "$DIR/results" || STATUS=1
	if [[ ! $JSON ]]; then
		show_router
		where_next
	fi
	((STATUS == 0)) || warn "some results are not as expected: see above"
	return "$STATUS"
}

main
