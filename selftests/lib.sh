# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions that the tests written in shell share. A test file
#
#   # Requires: nft jq                # in the comment at its beginning, see run.sh
#   source "$(dirname "$0")/../lib.sh"
#   setup() { router_up; load_policy; }   # runs once, before the first test
#   test_something() { ...; }         # each function is one KTAP result, in file order
#   run_tests
#
# A test is a function in a subshell of its own. It passes when it returns 0, and
# fails at the first expect_* or command that fails. Links of attach() and the router's
# nft rules are removed before the next test starts.
#
# FILE -l lists the results, FILE -r RESULT runs one of them. run.sh prepares what a
# test needs, so use it: selftests/run.sh FOLDER/FILE/RESULT.

set -euo pipefail

SELFTESTS_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FOLDER=$(cd "$(dirname "$0")" && pwd)	# folder of the running test
ARGUMENTS=("$@")			# and its arguments
BUILD=${BUILD:-$SELFTESTS_SRC/../build}
BASE=${BASE:-6.1}
SELFTESTS=${SELFTESTS:-$BUILD/$BASE/selftests}
PATH=$BUILD/tools/bin:$PATH

# shellcheck source=../tools/router/topology.sh
source "$SELFTESTS_SRC/../tools/router/topology.sh"

readonly KSFT_SKIP=4
HOOKS=(prerouting input forward output postrouting)
BPFFS=/sys/fs/bpf

TESTS=()		# names; TEST_<index> is the command of each,
REQUIRES=()		# and this is the part that each requires
declare -A STATS=()
WORK=			# files of this run
HELPERS=		# copies of the shared helpers, the folder's helpers and bpftool, in
			# a place from which they start fast. nf-bpf finds its headers from
			# the place where it is.
PINS=			# bpffs directory for programs and maps of this run; links/ is in it
PIN_DIRS=()		# its directories that hold programs
LINK=			# pin of the last link that attach() made
INET=			# 1 if the kernel has links of NFPROTO_INET
PLAN=			# file descriptor for results, during setup() only

# End the running test as failed.
fail()
{
	echo "$*"
	exit 1
}

# skip REASON: end the running test. In setup(), which has no test of its own, skip all.
skip()
{
	local i number=0

	echo "$*" > "$WORK/skip"
	if [[ $PLAN ]]; then
		for i in "${!TESTS[@]}"; do
			number=$((number + 1))
			echo "ok $number ${TESTS[i]} # SKIP $*" >&"$PLAN"
		done
	fi
	exit $KSFT_SKIP
}

# Skip a test of a feature that this kernel lacks. On our kernel it is a failure. On a kernel for
# which our modules were built, a text with "module nf_bpf_" is a failure.
lacks()
{
	[[ ${NF_BPF_PATCHED:-0} != 1 ]] || fail "this kernel lacks $*"
	[[ ${NF_BPF_MODULES:-0} != 1 || $* != *"module nf_bpf_"* ]] ||
		fail "this kernel lacks $*, though the modules were built for it"
	skip "$*"
}

expect_eq()
{
	local what=$1 expected=$2 actual=$3

	[[ $expected == "$actual" ]] || fail "$what: expected '$expected', got '$actual'"
}

expect_match()
{
	local what=$1 pattern=$2 actual=$3

	# shellcheck disable=SC2053 # a pattern must not be quoted
	[[ $actual == $pattern ]] || fail "$what: expected '$pattern', got '$actual'"
}

# expect_fails [-s STATUS] TEXT COMMAND [ARG...]: COMMAND must fail (with
# STATUS), and say TEXT.
expect_fails()
{
	local status=0 wanted=
	local text output

	if [[ $1 == -s ]]; then
		wanted=$2
		shift 2
	fi
	text=$1
	shift
	output=$("$@" 2>&1) || status=$?
	((status)) || fail "$*: succeeded, expected '$text'"
	[[ -z $wanted || $status == "$wanted" ]] ||
		fail "$*: exit status $status, expected $wanted: $output"
	[[ $output == *"$text"* ]] || fail "$*: expected '$text', got '$output'"
}

# without PART: does this kernel's flavour leave out PART, "ipv6" or "conntrack"? In other
# flavours the tests of PART run, and fail if PART is missing.
without()
{
	[[ ${NF_BPF_FLAVOUR:-} == "no$1" ]]
}

# The families to test, the files with their counters, and a family of nft tables that
# covers them. The nft family inet needs IPv6.
FAMILIES=(4 6)
SNMP=(/proc/net/snmp /proc/net/snmp6)
NFT_INET=inet
if without ipv6; then
	FAMILIES=(4)
	SNMP=(/proc/net/snmp)
	NFT_INET=ip
fi

# snmp_counter NETNS GROUP IPV4_NAME IPV6_NAME: the sum of a counter over both families.
# Example: snmp_counter NETNS Ip ReasmFails Ip6ReasmFails.
snmp_counter()
{
	# shellcheck disable=SC2016 # columns of awk
	nf_prog exec "$1" awk -v group="$2:" -v four="$3" -v six="$4" '
		$1 == group && !column { for (column = 1; $column != four;) column++; next }
		$1 == group { sum += $column }
		$1 == six { sum += $2 }
		END { print sum }' "${SNMP[@]}"
}

# requires PART: for a test that needs PART in a file that works without PART.
requires()
{
	! without "$1" || skip "no $1"
}

nf_prog()
{
	"$HELPERS/nf_prog" "$@"
}

# load_policy [DIR]: progs/policy.bpf.c as $PINS/{accept,drop,deny_port,stats}, or
# another instance with counters of its own in $PINS/DIR.
load_policy()
{
	[[ ! -e $PINS/${1-}/accept ]] || return 0
	nf_prog load "$SELFTESTS/progs/policy.bpf.o" "$PINS/${1-}"
	PIN_DIRS+=("$PINS/${1-}")
	[[ -n $INET ]] || find_families
}

# Does the kernel have helpers for packets?
has_packet_helpers()
{
	grep -qa BPF_NF_FRAG_REASSEMBLED /sys/kernel/btf/vmlinux
}

# Programs need helpers for packets, or the module that has functions in their place.
need_packet_access()
{
	has_packet_helpers || modprobe -q nf_bpf_packet ||
		lacks "helpers for packets, or the module nf_bpf_packet"
}

# Load progs/packet.bpf.c into $PINS/packet, for tests of programs that change packets.
load_packet()
{
	load_policy
	need_packet_access
	nf_prog load "$SELFTESTS/progs/packet.bpf.o" "$PINS/packet"
	PIN_DIRS+=("$PINS/packet")
}

# alias_of FAMILY: the address to which programs of progs/packet.bpf.c and progs/transport.bpf.c
# translate that of the server. It differs in the last byte.
alias_of()
{
	if (($1 == 4)); then
		echo 198.51.100.153
	else
		echo 2001:db8:2::99
	fi
}

# Load progs/transport.bpf.c into $PINS/transport. Call load_packet() first.
load_transport()
{
	nf_prog load "$SELFTESTS/progs/transport.bpf.o" "$PINS/transport"
	PIN_DIRS+=("$PINS/transport")
}

# nf_prog's name of address family 4 or 6.
pf_of()
{
	if (($1 == 4)); then
		echo ip
	else
		echo ip6
	fi
}

# attach_in NETNS PROG PF HOOK PRIORITY [defrag]: attach until the test ends. If the kernel
# has no inet links, attach a link for each family; LINK is then the pin of the IPv4 link.
attach_in()
{
	local netns=$1 prog=$2 pf=$3 hook=$4 priority=$5

	shift 5
	if [[ $pf == inet && ${NF_BPF_PATCHED:-0} != 1 && $INET != 1 ]]; then
		attach_in "$netns" "$prog" ip6 "$hook" "$priority" "$@"
		pf=ip
	fi
	LINK=$PINS/links/${prog//\//-}-$pf-$hook-$priority-$netns
	nf_prog attach "$PINS/$prog" "$pf" "$hook" "$priority" "$@" \
		netns "$netns" pin "$LINK"
}

# attach PROG PF HOOK PRIORITY [defrag|strict|track]: attach in the router. The pin is $LINK.
attach()
{
	attach_in "$NS_ROUTER" "$@"
}

# hold PROG PF HOOK PRIORITY [defrag]: attach without a pin. The process $HELD holds the
# link.
hold()
{
	local prog=$1

	shift
	: > "$WORK/held"
	"$HELPERS/nf_prog" attach "$PINS/$prog" "$@" netns "$NS_ROUTER" \
		> "$WORK/held" &
	HELD=$!
	wait_for grep -q attached "$WORK/held"
}

detach_all()
{
	nf_prog clean "$PINS/links"
}

# Set INET. load_policy() calls this once.
find_families()
{
	local error

	INET=1
	error=$(nf_prog attach "$PINS/accept" inet forward 12345 \
		netns "$NS_ROUTER" pin "$PINS/links/probe" 2>&1) || {
		expect_match "refusal of inet" "*Address family not supported*" "$error"
		INET=0
	}
	detach_all
}

needs_family()
{
	[[ $1 != inet ]] || ((INET)) || lacks "pf NFPROTO_INET"
}

# read_stats [DIR]: read the counters into STATS, under their names in progs/policy.h.
read_stats()
{
	local line stats

	stats=$(nf_prog stats "$PINS/${1-}/stats")
	STATS=()
	while read -r line; do
		STATS[${line%%=*}]=${line#*=}
	done <<< "$stats"
}

# expect_stats NAME=VALUE..., expect_stats_of DIR NAME=VALUE...
expect_stats()
{
	expect_stats_of "" "$@"
}

expect_stats_of()
{
	local dir=$1 pair

	shift
	read_stats "$dir"
	for pair; do
		expect_eq "${pair%%=*} counted by the program" "${pair#*=}" \
			"${STATS[${pair%%=*}]}"
	done
}

# link_layer_number ADDRESS: the number that the programs store for this MAC address.
link_layer_number()
{
	echo $((16#${1//:/}))
}

# The functions below print parts of a packet in hexadecimal, for the option -x of probe().
# fragment_header NEXTHDR OFFSET MORE
fragment_header()
{
	printf '%02x00%04x12345678' "$1" $(($2 | $3))
}

# dstopts NEXTHDR
dstopts()
{
	printf '%02x00010400000000' "$1"
}

# zeros LENGTH
zeros()
{
	printf '%0*d' $(($1 * 2)) 0
}

# udp LENGTH [PORT]: a datagram of LENGTH bytes, including its header. PORT is in hexadecimal.
udp()
{
	printf '9c40%s%04x1234%s' "${2:-270f}" "$1" "$(zeros $(($1 - 8)))"
}

# probe FAMILY PATH [OPTION...]: send a datagram from one namespace to another with
# helpers/frag_probe.c. FAMILY is 4 or 6, PATH one of the directions below. The results:
#   WIRE       OFFSET+LENGTH of each UDP packet at the receiver
#   HEADERS    ID:df of each packet that must not be fragmented, ID:cut of others
#   OTHER      NEXTHDR:LENGTH of each packet that is not UDP
#   DELIVERED  the datagram that the socket received
#   REFUSED    the number of fragments that the sender could not send
probe()
{
	local family=$1 path=$2 from to device src dst output
	local client=CLIENT_IP$1 server=SERVER_IP$1
	local left=ROUTER_LEFT_IP$1 right=ROUTER_RIGHT_IP$1

	shift 2
	case $path in
	client-server)
		from=$NS_CLIENT to=$NS_SERVER device=$SERVER_DEV
		src=${!client} dst=${!server}
		;;
	server-client)
		from=$NS_SERVER to=$NS_CLIENT device=$CLIENT_DEV
		src=${!server} dst=${!client}
		;;
	client-router)
		from=$NS_CLIENT to=$NS_ROUTER device=$ROUTER_LEFT_DEV
		src=${!client} dst=${!left}
		;;
	router-server)
		from=$NS_ROUTER to=$NS_SERVER device=$SERVER_DEV
		src=${!right} dst=${!server}
		;;
	*)
		fail "probe: $path: no such path"
		;;
	esac

	output=$("$HELPERS/frag_probe" -f "$from" -t "$to" -i "$device" \
		-s "$src" -d "$dst" "$@") || fail "probe IPv$family $path $*: failed"
	read_probe <<< "$output"
}

# path_through HOOK: a path of probe() on which packets pass this hook of the router.
path_through()
{
	case $1 in
	input) echo client-router ;;
	output) echo router-server ;;
	*) echo client-server ;;
	esac
}

read_probe()
{
	local what first second rest

	WIRE='' HEADERS='' OTHER='' DELIVERED='' REFUSED=0
	while read -r what first second rest; do
		case $what in
		wire)
			WIRE+=${WIRE:+ }$first+$second
			rest=${rest#* }
			HEADERS+=${HEADERS:+ }${rest/ /:}
			;;
		other) OTHER+=${OTHER:+ }$first:$second ;;
		delivered) DELIVERED+=${DELIVERED:+, }"$first $second" ;;
		refused) REFUSED=$((REFUSED + 1)) ;;
		esac
	done
}

expect_wire()
{
	expect_eq "packets at the receiver" "$1" "$WIRE"
}

expect_delivered()
{
	expect_eq "delivered" "$1" "$DELIVERED"
}

# --- bpftool -------------------------------------------------------------------

# Prepare tests of bpftool: the router, its programs, the inode of its namespace, and
# FAMILY, inet if this kernel has it.
setup_bpftool()
{
	router_up
	load_policy
	ROUTER_INO=$(stat -L -c %i "/run/netns/$NS_ROUTER")
	FAMILY=$( ((INET)) && echo inet || echo ip)
}

# without_admin COMMAND...: run in the router, with the capabilities to attach and no other.
without_admin()
{
	nf_prog exec "$NS_ROUTER" setpriv --bounding-set=-all,+bpf,+net_admin "$@"
}

# needs_own NAME: skip if the kernel lacks NAME, a name of linux/bpf_nf.h that mainline
# does not have.
needs_own()
{
	grep -qa "$1" /sys/kernel/btf/vmlinux || lacks "$1"
}

# Mainline's links have no counters. On our kernel, expect_link fails if they are missing.
has_counters()
{
	[[ ${NF_BPF_PATCHED:-0} == 1 || $'\n'$(nf_prog info "$LINK") == *$'\n'dropped=* ]]
}

# needs_listed_hooks: skip if the kernel does not list its hooks.
needs_listed_hooks()
{
	nf_prog exec "$NS_ROUTER" "$HELPERS/nf_hooks" ip 2 > /dev/null 2>&1 ||
		lacks "CONFIG_NETFILTER_NETLINK_HOOK"
}

# vmlinux_dir: where vmlinux.h is for programs that a test compiles: that of this project's
# kernel, or of the kernel of KERNEL= or check-host, as scripts/vmlinux-h.sh has it.
vmlinux_dir()
{
	local dir

	for dir in "$BUILD/$BASE" "$BUILD/stock" "$BUILD/host"; do
		[[ ! -e $dir/vmlinux.h ]] || { echo "$dir"; return; }
	done
	fail "no vmlinux.h in $BUILD/: make selftests makes one"
}

# link_id PIN: the id of the pinned link.
link_id()
{
	nf_prog info "$1" | sed -n 's/^id=//p'
}

# A place in the router that most tests use, and its default pin.
HERE=(hook forward priority 7)
here_pin()
{
	echo "$BPFFS/netfilter/${NS_ROUTER}_${1:-$FAMILY}_forward_${2:-7}"
}

# attach_here ARG...: attach "accept" to HERE in the router by bpftool, with more arguments.
attach_here()
{
	bpftool net attach netfilter pinned "$PINS/accept" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER" "$@"
}

# expect_link PIN NAME=VALUE...: check values in the link's bpf_link_info.
expect_link()
{
	local pin=$1 info pair

	shift
	[[ -e $pin ]] || fail "$pin: no such pin: $(ls "$BPFFS/netfilter" "$PINS/links" 2>&1)"
	info=$(nf_prog info "$pin")
	for pair; do
		[[ $'\n'$info$'\n' == *$'\n'"$pair"$'\n'* ]] ||
			fail "$pin: expected $pair, got $info"
	done
}

expect_program()
{
	expect_link "$1" "prog_id=$(nf_prog prog-id "$PINS/$2")"
}

# A refused command must leave nothing in the router.
expect_nothing_attached()
{
	local pins=("$BPFFS/netfilter/${NS_ROUTER}"_*)

	[[ ! -e ${pins[0]} ]] || fail "pinned: ${pins[*]}"
	probe 4 client-server
	expect_delivered "92 intact"
	expect_stats packets=0
}

# expect_json TEXT FILTER...: TEXT is JSON, and each FILTER of jq is true for it. One jq tries all
# filters, because jq takes long to start.
expect_json()
{
	local text=$1 filter together=true

	shift
	# jq accepts an empty text.
	[[ $text == *[![:space:]]* ]] || fail "no JSON: nothing"
	for filter; do
		together+=" and ($filter)"
	done
	! jq -e "$together" <<< "$text" > /dev/null 2>&1 || return 0
	jq . <<< "$text" > /dev/null || fail "no JSON: $text"
	for filter; do
		jq -e "$filter" <<< "$text" > /dev/null || fail "not $filter: $text"
	done
	fail "not $together: $text"
}

# --- kfuncs of modules ---------------------------------------------------------

# load_kfunc [OBJECT]: load progs/kfunc.bpf.c, or an OBJECT with the same map, into
# $PINS/kfunc.
load_kfunc()
{
	nf_prog load "$SELFTESTS/progs/${1:-kfunc}.bpf.o" "$PINS/kfunc"
	PIN_DIRS+=("$PINS/kfunc")
}

# tell NAME=VALUE...: set parameters of the programs. Other parameters and all results
# become 0.
tell()
{
	"$HELPERS/kfunc_values" set "$PINS/kfunc/values" verdict=1 netns_id=-1 "$@"
}

# expect_told NAME=VALUE...: check results that the programs have stored.
expect_told()
{
	local told pair

	told=$("$HELPERS/kfunc_values" get "$PINS/kfunc/values")
	for pair; do
		[[ $'\n'$told$'\n' == *$'\n'"$pair"$'\n'* ]] ||
			fail "expected $pair of the program, got $(tr '\n' ' ' <<< "$told")"
	done
}

# flow FAMILY PROTOCOL PORT STEP...: send from the client's FROM_PORT to the server with
# helpers/flow.c. OUTCOME has the result of each step, with ", " between them. FLOW_FROM,
# FLOW_TO, FLOW_TO_ADDRESS and FLOW_LISTEN replace the ends of the flow.
FROM_PORT=40000
flow()
{
	local family=$1 protocol=$2 port=$3 client=CLIENT_IP$1 server=SERVER_IP$1
	local right=ROUTER_RIGHT_IP$1 from

	shift 3
	from=${!client}
	[[ ${FLOW_FROM:-} != "$NS_ROUTER" ]] || from=${!right}
	OUTCOME=$("$HELPERS/flow" "${FLOW_FROM:-$NS_CLIENT}" "${FLOW_TO:-$NS_SERVER}" \
		"$protocol" "$from" "$FROM_PORT" "${FLOW_TO_ADDRESS:-${!server}}" "$port" \
		"${FLOW_LISTEN:-$port}" "$@") || fail "flow IPv$family $*: failed"
	OUTCOME=${OUTCOME//$'\n'/, }
}

expect_outcome()
{
	expect_match "outcome" "$1" "$OUTCOME"
}

# --- datagrams in pieces -----------------------------------------------------

# whole FAMILY: "LENGTH/4" for a datagram of $TOTAL bytes that came in 4 pieces. LENGTH is
# its skb->len.
whole()
{
	echo $((TOTAL + ($1 == 4 ? 20 : 40)))/4
}

# expect_whole: the receiver got $PIECES, which together carry $TOTAL bytes.
expect_whole()
{
	expect_wire "$PIECES"
	expect_delivered "$((TOTAL - 8)) intact"
}

# --- packets that no program has dropped ----------------------------------------

# Programs in the router drop all packets. The program "drop" of $PINS/received, at the server,
# counts the packets that passed.
FLOOD_MAX=2000000	# a flood ends even if the test hangs
FLOODS=()

count_received()
{
	local family

	for family in "${FAMILIES[@]}"; do
		attach_in "$NS_SERVER" received/drop "$(pf_of "$family")" input 0
	done
	nf_prog clean "$PINS/received"
}

received()
{
	read_stats received
	echo "${STATS[packets]}"
}

some_received()
{
	(($(received)))
}

# Send datagrams of both families until stop_flood().
flood()
{
	local family address

	FLOODS=()
	for family in "${FAMILIES[@]}"; do
		address=SERVER_IP$family
		"$HELPERS/nf_prog" exec "$NS_CLIENT" "$HELPERS/flood" "${!address}" 9999 \
			"$FLOOD_MAX" > "$WORK/sent$family" &
		FLOODS+=($!)
	done
}

stop_flood()
{
	local family

	kill -TERM "${FLOODS[@]}"
	wait "${FLOODS[@]}"
	for family in "${FAMILIES[@]}"; do
		(($(< "$WORK/sent$family"))) || fail "nothing was sent"
	done
}

# --- nft -----------------------------------------------------------------------

# Run nft in the router. The ruleset is flushed after the test.
nft_router()
{
	: > "$WORK/nft"
	nf_prog exec "$NS_ROUTER" nft "$@"
}

# nft_track [MATCH...]: enable conntrack in the router. It needs a rule that asks for it:
# this rule counts the new connections that match.
nft_track()
{
	nft_router -f - <<-EOF
	table $NFT_INET t {
		chain c {
			type filter hook forward priority 10;
			ct state new $* counter
		}
	}
	EOF
}

# nft_raw RULE...: load rules that run before conntrack.
nft_raw()
{
	nft_router -f - <<-EOF
	table $NFT_INET raw {
		chain c {
			type filter hook prerouting priority raw;
			$(printf '%s\n' "$@")
		}
	}
	EOF
}

# Enable conntrack and NAT. The chains are empty: NAT is there, but no rule translates.
nft_nat()
{
	nft_track
	nft_router -f - <<-EOF
	table $NFT_INET n {
		chain pre {
			type nat hook prerouting priority dstnat;
		}
		chain post {
			type nat hook postrouting priority srcnat;
		}
	}
	EOF
}

# nft_expectation FAMILY: announce another connection for each new one to UDP port 9999, in FORWARD
nft_expectation()
{
	local l3proto=ip

	(($1 == 4)) || l3proto=ip6
	nft_router -f - <<-EOF
	table $NFT_INET e {
		ct expectation later {
			protocol udp
			dport 9876
			timeout 1m
			size 12
			l3proto $l3proto
		}
		chain c {
			type filter hook forward priority 0
			udp dport 9999 ct expectation set "later" counter
		}
	}
	EOF
}

# expect_nft_counter CHAIN PACKETS: check the only counter in a chain of the router, for
# example in "ip t c".
expect_nft_counter()
{
	local listing

	# shellcheck disable=SC2086 # CHAIN has three words: family, table and chain
	listing=$(nft_router list chain $1)
	[[ $listing =~ counter\ packets\ ([0-9]+) ]] || fail "no counter: $listing"
	expect_eq "packets counted by nft" "$2" "${BASH_REMATCH[1]}"
}

# add_test [-r PART] NAME COMMAND...: add the result NAME, which requires PART.
add_test()
{
	local name part=

	if [[ $1 == -r ]]; then
		part=$2
		shift 2
	fi
	name=$1
	shift
	TESTS+=("$name")
	REQUIRES+=("$part")
	declare -ga "TEST_$((${#TESTS[@]} - 1))=($(printf '%q ' "$@"))"
}

add_functions()
{
	local name

	while read -r name; do
		add_test "${name#test_}" "$name"
	done < <(sed -n 's/^\(test_[a-z0-9_]*\)()$/\1/p' "$0")
}

lib_cleanup()
{
	local status=$?

	trap - EXIT
	! declare -F cleanup >/dev/null || cleanup || :
	rm -rf "$BPFFS/netfilter/${NS_ROUTER:-none}"_*
	[[ -z $PINS ]] || rm -rf "$PINS"
	[[ -z $WORK ]] || rm -rf "$WORK"
	router_down
	exit "$status"
}

# copy_helpers FILE...: have the programs among these files in $HELPERS. The tests of one run
# of run.sh share a copy of each.
copy_helpers()
{
	local copies=${NF_BPF_COPIES:-$WORK/copies} file missing=() names=()

	mkdir -p "$copies"
	for file; do
		[[ -f $file && -x $file ]] || continue
		names+=("$copies/${file##*/}")
		[[ -e ${names[-1]} ]] || missing+=("$file")
	done
	((!${#missing[@]})) || cp "${missing[@]}" "$copies"
	((!${#names[@]})) || ln "${names[@]}" "$HELPERS"
}

lib_setup()
{
	if ((EUID)); then
		echo "1..0 # SKIP needs root"
		exit $KSFT_SKIP
	fi
	trap lib_cleanup EXIT
	trap 'exit 130' INT TERM
	WORK=$(mktemp -d)
	HELPERS=$WORK/bin
	mkdir "$HELPERS"
	copy_helpers "$SELFTESTS"/{,"${FOLDER##*/}/"}helpers/* "$BUILD/tools/bin/bpftool"
	PATH=$HELPERS:$PATH
	[[ $(stat -f -c %T $BPFFS) == bpf_fs ]] || mount -t bpf bpf $BPFFS
	PINS=$BPFFS/nf_selftests$NS_SUFFIX
	mkdir -p "$PINS/links"
	! declare -F setup >/dev/null || setup
}

between_tests()
{
	local pins=("$BPFFS/netfilter/${NS_ROUTER:-none}"_*)

	rm -f "$WORK/skip"
	if [[ -e ${pins[0]} ]]; then
		nf_prog clean "${pins[@]}"
		rm -rf "${pins[@]}"
	fi
	((!${#PIN_DIRS[@]})) || nf_prog clean "$PINS/links" "${PIN_DIRS[@]}"
	if [[ -e $WORK/nft ]]; then
		nft_router flush ruleset
		rm "$WORK/nft"
	fi
}

run_one()
{
	local -n command="TEST_$1"

	set -euo pipefail
	trap - EXIT
	between_tests
	[[ -z ${REQUIRES[$1]} ]] || requires "${REQUIRES[$1]}"
	"${command[@]}"
}

# Handle the options -l (list results) and -r (run one result).
choose_results()
{
	local i

	case ${ARGUMENTS[0]-} in
	"") return ;;
	-l)
		printf '%s\n' "${TESTS[@]}"
		exit 0
		;;
	-r)
		for i in "${!TESTS[@]}"; do
			[[ ${TESTS[i]} == "${ARGUMENTS[1]-}" ]] || unset "TESTS[$i]"
		done
		((!${#TESTS[@]})) || return 0
		echo "$0: ${ARGUMENTS[1]-}: no such result (-l lists them)" >&2
		;;
	*)
		echo "Usage: $0 [-l | -r RESULT]" >&2
		;;
	esac
	exit 2
}

run_tests()
{
	local i number=0 status failed=0

	add_functions
	choose_results
	echo "TAP version 13"
	echo "1..${#TESTS[@]}"
	exec {PLAN}>&1
	lib_setup > >(sed 's/^/# /') 2>&1
	exec {PLAN}>&-
	PLAN=
	for i in "${!TESTS[@]}"; do
		number=$((number + 1))
		# Do not run it in a condition, where "set -e" has no effect.
		set +e
		(run_one "$i") > "$WORK/log" 2>&1
		status=$?
		# A command of the test can have this exit status, too.
		if ((status == KSFT_SKIP)) && [[ ! -s $WORK/skip ]]; then
			status="$KSFT_SKIP, of a command"
		fi
		set -e
		case $status in
		0)
			echo "ok $number ${TESTS[i]}"
			;;
		"$KSFT_SKIP")
			echo "ok $number ${TESTS[i]} # SKIP $(cat "$WORK/skip")"
			;;
		*)
			sed 's/^/# /' "$WORK/log"
			echo "# exit status $status"
			echo "not ok $number ${TESTS[i]}"
			failed=1
			;;
		esac
	done
	exit $failed
}
