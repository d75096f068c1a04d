# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The ways to apply the policy, one function for each. A function puts the policy on the
# router of guest.sh and changes nothing else. The end of the network namespace, the
# removal of the pins, or a command of at_end removes the policy.
#
# A case sets CONTROL if the listed flow cannot show that packets reach the policy
# (control.sh). It sets SEND if sending is not all of the work (traffic.sh). It sets OBJECT
# if its programs are not in policy.bpf.c.
#
# Cases "mainline-*" run on mainline's kernel: the same source and configuration without
# our series.

OBJECT=policy
CASES=()
declare -A CASE_TEXT=() CASE_RUN=() CASE_PARTS=() CASE_NEEDS=()

# Parts with which guest.sh measures a case. "sizes" adds packets of other sizes to udp4.
# Main cases represent all others.
ONE="udp4"
MAIN="udp4 sizes udp6 tcp4"
# pktgen keeps a reference on the packets that it sends, and XDP on a veth calls BUG()
# for such packets. So XDP and the cases that it is compared with have another sender.
FRAMES="frames4 frames6 tcp4"
FRAGMENTS="frag4 frag6"
# Parts whose packets differ from the listed flow only in the last field.
LAST="last4 last6"
# Parts of mainline's kernel.
MAINLINE="mainline-udp4 mainline-udp6 mainline-tcp4"
MAINLINE_LAST="mainline-last4 mainline-last6"
MAINLINE_FRAGMENTS="mainline-frag4 mainline-frag6"

# add_case PARTS NAME TEXT COMMAND [ARGUMENT...]: add a case to these parts
add_case()
{
	local parts=$1 name=$2

	CASES+=("$name")
	CASE_PARTS[$name]=" $parts "
	CASE_TEXT[$name]=$3
	shift 3
	CASE_RUN[$name]=$(printf ' %q' "$@")
}

# needs SYMBOL NAME...: measure these cases only where the kernel has the function
needs()
{
	local symbol=$1 name

	shift
	for name in "$@"; do
		CASE_NEEDS[$name]=$symbol
	done
}

# Do not use "ip netns exec" or "ip -n": their mount namespace has no pins.
in_router()
{
	nsenter --net=/run/netns/router "$@"
}

# Call nsenter here and not in_router, so that $! is the command itself.
start_in_router()
{
	nsenter --net=/run/netns/router "$@" &
	at_end kill "$!"
}

# --- lists ------------------------------------------------------------------

# listed_flows N: the flow that the programs know, and N - 1 others. The packets of the
# measurement belong to none of them: the first field of a rule does not match.
listed_flows()
{
	awk -v n="$1" -v family="$FAMILY" -v l4="$L4" \
	    -v saddr="$LISTED_CLIENT" -v daddr="$LISTED_SERVER" 'BEGIN {
		print l4, saddr, daddr, 9, 10
		for (i = 1; i < n; i++) {
			if (family == 4)
				saddr = sprintf("10.%d.%d.%d", i / 65536, (i / 256) % 256, i % 256)
			else
				saddr = sprintf("fd00::%x:%x", i / 65536, i % 65536)
			print l4, saddr, daddr, 1024 + i % 50000, 10
		}
	}'
}

# listed_prefixes N: the prefix of the listed flow, and N - 1 others. The packets of the
# measurement match none of them.
listed_prefixes()
{
	awk -v n="$1" 'BEGIN {
		print "198.51.100.8/29"
		for (i = 1; i < n; i++)
			printf "10.%d.%d.0/24\n", int(i / 256), i % 256
	}'
}

# --- netfilter BPF ----------------------------------------------------------

# Programs and maps of OBJECT are then below $PINS/$OBJECT/.
load_policy()
{
	[[ ! -d $PINS/$OBJECT ]] || return 0
	mkdir -p "$PINS/$OBJECT"
	bpftool prog loadall "$TOOLS/$OBJECT$FAMILY.bpf.o" "$PINS/$OBJECT" \
		pinmaps "$PINS/$OBJECT"
}

# fill MAP: put the lines of stdin into a map
fill()
{
	load_policy
	"$TOOLS/fill_map" "$PINS/$OBJECT/$1"
}

# attach_at HOOK PROG PF PRIORITY [FLAG...]: attach a program
attach_at()
{
	local hook=$1 prog=$2 pf=$3 priority=$4

	shift 4
	load_policy
	bpftool net attach netfilter pinned "$PINS/$OBJECT/$prog" "$pf" hook "$hook" \
		priority "$priority" "$@" netns router pin "$PINS/link$priority"
}

# Attach at FORWARD, where the rules of nft and iptables are.
attach()
{
	attach_at forward "$@"
}

nothing()
{
	CONTROL="no_policy"
}

floor()
{
	insmod "$TOOLS/floor/floor.ko"
	at_end rmmod floor
	CONTROL="hook_is_hit floor_hook"
}

# A link enables the hooks of the module. The link itself is at a hook that forwarded
# packets do not pass.
defrag()
{
	attach_at input nf_accept "$PF" 100 defrag
	if [[ $FAMILY = 4 ]]; then
		CONTROL="hook_is_hit ipv4_conntrack_defrag"
	else
		CONTROL="hook_is_hit ipv6_defrag"
	fi
}

# bpf_accept PF [FLAG...]
bpf_accept()
{
	attach nf_accept "$1" 0 "${@:2}"
	CONTROL="links_count"
}

attach_many()
{
	local i

	for ((i = 0; i < $1; i++)); do
		attach nf_accept "$PF" "$i"
	done
	CONTROL="links_count"
}

# PF is set only when the case runs, so add_case cannot pass it.
bpf_accept_own()
{
	bpf_accept "$PF" "$@"
}

bpf_tuple()
{
	attach nf_tuple "$PF" 0 "$@"
}

bpf_tuple_track()
{
	attach nf_tuple_track "$PF" 0 fragments track
}

bpf_hash()
{
	listed_flows "$1" | fill flows
	attach nf_hash "$PF" 0
}

bpf_lpm()
{
	listed_prefixes "$1" | fill prefixes
	attach nf_lpm "$PF" 0
}

# bpf_tuple_of OBJECT [FLAG...]: another program for the policy of one flow
bpf_tuple_of()
{
	OBJECT=$1
	shift
	bpf_tuple "$@"
}

# mainline_accept [FLAG...]: mainline's links do not count packets
mainline_accept()
{
	OBJECT=dynptr
	attach nf_accept "$PF" 0 "$@"
	CONTROL="hook_is_hit nf_hook_run_bpf"
}

# --- nft --------------------------------------------------------------------

# nft_chain SETS RULES [HOOK]
nft_chain()
{
	in_router nft -f - <<-NFT
	table $PF bench {
		$1
		chain ${3:-forward} {
			type filter hook ${3:-forward} priority 0;
			$2
		}
	}
	NFT
}

# nft_rules N [STATEMENT BEFORE [STATEMENT AFTER]]
nft_rules()
{
	local rules

	rules=$(listed_flows "$1" | awk -v pf="$PF" '{
		print pf, "saddr", $2, pf, "daddr", $3, $1, "sport", $4, $1, "dport", $5, "drop"
	}')
	nft_chain "" "${2:-}"$'\n'"$rules"$'\n'"${3:-}"
}

nft_set()
{
	local elements

	elements=$(listed_flows "$1" |
		awk '{ printf "%s%s . %s . %s . %s", sep, $2, $3, $4, $5; sep = ", " }')
	nft_chain "set flows {
			typeof $PF saddr . $PF daddr . $L4 sport . $L4 dport
			elements = { $elements }
		}" \
		"$PF saddr . $PF daddr . $L4 sport . $L4 dport @flows drop"
}

nft_prefixes()
{
	local elements

	elements=$(listed_prefixes "$1" | paste -s -d ,)
	nft_chain "set prefixes {
			typeof $PF daddr
			flags interval
			elements = { $elements }
		}" \
		"$PF daddr @prefixes drop"
}

nft_queue()
{
	local last=/run/bench-queue

	modprobe nfnetlink_queue
	nft_chain "" "queue num 0"
	start_in_router "$TOOLS/nfqueue_accept" 0 "$last" "$LISTED_CLIENT" "$LISTED_SERVER" 9 10
	wait_for in_router grep -q '^ *0 ' /proc/net/netfilter/nfnetlink_queue
	SEND="send_queued $last"
}

# --- iptables ---------------------------------------------------------------

# iptables_restore: load rules of FORWARD from stdin
iptables_restore()
{
	{
		echo '*filter'
		sed 's/^/-A FORWARD /'
		echo 'COMMIT'
	} | in_router "$XTABLES-restore"
}

iptables_rules()
{
	listed_flows "$1" |
		awk '{ print "-s", $2, "-d", $3, "-p", $1, "--sport", $4, "--dport", $5, "-j DROP" }' |
		iptables_restore
}

# No type of set has both ports. This type has no source port.
iptables_set()
{
	{
		echo "create flows hash:ip,port,ip maxelem 131072"
		listed_flows "$1" | awk '{ print "add flows " $2 "," $1 ":" $5 "," $3 }'
	} | in_router ipset restore
	iptables_restore <<< "-m set --match-set flows src,dst,dst -j DROP"
}

iptables_bpf()
{
	load_policy
	iptables_restore <<< "-m bpf --object-pinned $PINS/$OBJECT/xt_tuple -j DROP"
}

# --- conntrack --------------------------------------------------------------

# Enable conntrack by a rule that forwarded packets do not pass.
conntrack_on()
{
	nft_chain "" "ct state new accept" input
}

conntrack()
{
	conntrack_on
	CONTROL="hook_is_hit nf_conntrack_in"
}

bpf_conntrack()
{
	conntrack_on
	modprobe nf_bpf_kfunc
	load_policy
	bpftool prog load "$TOOLS/conntrack.bpf.o" "$PINS/$OBJECT/conntrack"
	attach conntrack "$PF" 0
	CONTROL="untracked_is_dropped"
}

nft_conntrack()
{
	nft_chain "" "ct state established,related,new accept"$'\n'"drop"
	CONTROL="untracked_is_dropped"
}

iptables_conntrack()
{
	iptables_restore <<-RULES
	-m conntrack --ctstate ESTABLISHED,RELATED,NEW -j ACCEPT
	-j DROP
	RULES
	CONTROL="untracked_is_dropped"
}

# --- before the router ------------------------------------------------------

tc_prog()
{
	load_policy
	in_router tc qdisc add dev in clsact
	in_router tc filter add dev in ingress bpf direct-action object-pinned "$PINS/$OBJECT/$1"
}

tcx_prog()
{
	load_policy
	in_router bpftool net attach tcx_ingress pinned "$PINS/$OBJECT/$1" dev in
}

tc_hash()
{
	listed_flows "$1" | fill flows
	tc_prog tc_hash
}

xdp_prog()
{
	load_policy
	in_router ip link set dev in xdpgeneric pinned "$PINS/$OBJECT/$1"
}

# --- reassembly, with a policy after it -------------------------------------

# nft can request reassembly only through conntrack. This case uses reassembly that a
# link requests, to compare the policies alone.
nft_defrag()
{
	attach_at input nf_accept "$PF" 100 defrag
	nft_rules 1
}

nft_defrag_conntrack()
{
	nft_rules 1 "ct state invalid drop"
}

add_case "$MAIN $FRAMES $FRAGMENTS $LAST" nothing "no policy" nothing
add_case "$MAIN $LAST" floor "empty hook in C" floor
add_case "$ONE $FRAGMENTS" defrag "nf_defrag alone" defrag
add_case "$MAIN" bpf-accept "netfilter BPF: accept" bpf_accept_own
add_case "$ONE" bpf-accept-inet "accept, inet" bpf_accept inet
add_case "$ONE $FRAGMENTS" bpf-accept-defrag "accept, defrag" bpf_accept_own defrag
add_case "$ONE" bpf-accept-strict "accept, strict" bpf_accept_own strict
add_case "$ONE $FRAGMENTS" bpf-accept-track "accept, track" bpf_accept_own fragments track
add_case "$ONE" bpf-accept-2 "two programs" attach_many 2
add_case "$ONE" bpf-accept-4 "four programs" attach_many 4
add_case "$ONE" bpf-accept-8 "eight programs" attach_many 8
add_case "$MAIN $FRAMES $LAST" bpf-tuple "netfilter BPF: one flow" bpf_tuple
add_case "udp4 udp6 tcp4 $LAST" bpf-portable "one flow, portable parser" bpf_tuple_of portable
add_case "udp4 udp6 tcp4 $LAST" bpf-dynptr "one flow, skb dynptr" bpf_tuple_of dynptr
add_case "$FRAGMENTS" bpf-tuple-defrag "netfilter BPF: one flow, defrag" bpf_tuple defrag
add_case "$FRAGMENTS" bpf-tuple-track "netfilter BPF: one flow, track" bpf_tuple_track
add_case "$ONE" bpf-hash-1 "hash of 1 flow" bpf_hash 1
add_case "$ONE" bpf-hash-1k "hash of 1,000 flows" bpf_hash 1000
add_case "$MAIN" bpf-hash-100k "hash of 100,000 flows" bpf_hash 100000
add_case "$ONE" bpf-lpm-10k "LPM trie of 10,000 prefixes" bpf_lpm 10000
add_case "$MAIN $LAST" nft-1 "nft: one rule" nft_rules 1
add_case "$ONE" nft-1-counter "nft: one rule, then counter" nft_rules 1 "" "counter"
add_case "$FRAGMENTS" nft-1-defrag "nft: one rule, nf_defrag" nft_defrag
add_case "$FRAGMENTS" nft-1-conntrack "nft: one rule, conntrack" nft_defrag_conntrack
add_case "$ONE" nft-10 "nft: 10 rules" nft_rules 10
add_case "$ONE" nft-100 "nft: 100 rules" nft_rules 100
add_case "$ONE" nft-1k "nft: 1,000 rules" nft_rules 1000
add_case "$ONE" nft-set-1 "nft: set of 1 flow" nft_set 1
add_case "$ONE" nft-set-1k "nft: set of 1,000 flows" nft_set 1000
add_case "udp4 sizes udp6" nft-set-100k "nft: set of 100,000 flows" nft_set 100000
add_case "$ONE" nft-lpm-10k "nft: set of 10,000 prefixes" nft_prefixes 10000
add_case "$MAIN $LAST" iptables-1 "iptables: one rule" iptables_rules 1
add_case "$ONE" iptables-10 "iptables: 10 rules" iptables_rules 10
add_case "$ONE" iptables-100 "iptables: 100 rules" iptables_rules 100
add_case "$ONE" iptables-1k "iptables: 1,000 rules" iptables_rules 1000
add_case "$ONE" iptables-set-1 "iptables: ipset of 1 flow" iptables_set 1
add_case "$ONE" iptables-set-1k "iptables: ipset of 1,000 flows" iptables_set 1000
add_case "$ONE" iptables-set-100k "iptables: ipset of 100,000 flows" iptables_set 100000
add_case "$ONE $LAST" iptables-bpf "iptables: -m bpf, one flow" iptables_bpf
add_case "$ONE" conntrack "conntrack alone" conntrack
add_case "$ONE" bpf-conntrack "conntrack, netfilter BPF: state" bpf_conntrack
add_case "$ONE" nft-conntrack "conntrack, nft: ct state" nft_conntrack
add_case "$ONE" iptables-conntrack "conntrack, iptables: -m conntrack" iptables_conntrack
add_case "$MAIN $FRAMES $LAST" tc-tuple "tc clsact BPF: one flow" tc_prog tc_tuple
add_case "$ONE" tc-hash-100k "tc clsact BPF: hash of 100,000 flows" tc_hash 100000
add_case "udp4 udp6 tcp4 $LAST" tcx-tuple "tcx BPF: one flow" tcx_prog tc_tuple
add_case "$FRAMES" xdp-tuple "XDP generic: one flow" xdp_prog xdp_tuple
add_case "frames4" nfqueue "nft: queue to a program in user space" nft_queue

add_case "$MAINLINE $MAINLINE_FRAGMENTS $MAINLINE_LAST" mainline-nothing \
	"mainline: no policy" nothing
add_case "$MAINLINE" mainline-accept "mainline netfilter BPF: accept" mainline_accept
add_case "mainline-udp4 $MAINLINE_FRAGMENTS" mainline-accept-defrag \
	"mainline: accept, defrag" mainline_accept defrag
add_case "$MAINLINE $MAINLINE_LAST" mainline-dynptr \
	"mainline: one flow, skb dynptr" bpf_tuple_of dynptr
add_case "$MAINLINE $MAINLINE_LAST" mainline-portable \
	"mainline: one flow, portable parser" bpf_tuple_of portable
add_case "$MAINLINE_FRAGMENTS" mainline-dynptr-defrag \
	"mainline: one flow, defrag" bpf_tuple_of dynptr defrag
# These do not depend on our series. They show that the kernels do not differ otherwise.
add_case "$MAINLINE $MAINLINE_LAST" mainline-nft-1 "mainline, nft: one rule" nft_rules 1
add_case "mainline-udp4 mainline-last4" mainline-iptables-1 \
	"mainline, iptables: one rule" iptables_rules 1

needs bpf_dynptr_from_skb bpf-dynptr
needs tcx_prog_attach tcx-tuple
