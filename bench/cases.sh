# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# One function a case: it puts a policy on the router of guest.sh, and leaves
# everything else as it is. What it made goes with the network namespace, or with
# the pins. The order is that of the table.

CASES=()
declare -A CASE_TEXT=() CASE_RUN=()

# add_case NAME TEXT COMMAND [ARGUMENT...]
add_case()
{
	local name=$1

	CASES+=("$name")
	CASE_TEXT[$name]=$2
	shift 2
	CASE_RUN[$name]=$(printf ' %q' "$@")
}

nothing()
{
	:
}

# The module's hooks are there as soon as a link asks for them; the link's own
# is at a hook that forwarded packets do not pass.
defrag_alone()
{
	attach_at input nf_accept ip 0 defrag
}

# attach_at HOOK PROG PF PRIORITY [FLAG...]
attach_at()
{
	local hook=$1 prog=$2 pf=$3 priority=$4

	shift 4
	bpftool net attach netfilter pinned "$PINS/$prog" "$pf" hook "$hook" \
		priority "$priority" "$@" netns router pin "$PINS/link$priority"
}

# As the rules of nft and iptables: at FORWARD.
attach()
{
	attach_at forward "$@"
}

attach_many()
{
	local i

	for ((i = 0; i < $1; i++)); do
		attach nf_accept ip "$i"
	done
}

bpf_hash()
{
	fill_flows "$1"
	attach nf_hash ip 0
}

bpf_lpm()
{
	fill_prefixes "$1"
	attach nf_lpm ip 0
}

in_router()
{
	ip netns exec router "$@"
}

nft_chain()
{
	in_router nft -f - <<-NFT
	table ip bench {
		$1
		chain forward {
			type filter hook forward priority 0;
			$2
		}
	}
	NFT
}

nft_rules()
{
	local rules

	rules=$(listed_flows "$1" |
		awk '{ print "ip saddr", $1, "ip daddr", $2, "udp sport", $3, "udp dport", $4, "drop" }')
	nft_chain "" "$rules"
}

nft_set()
{
	local elements

	elements=$(listed_flows "$1" | awk '{ printf "%s%s . %s . %s . %s", sep, $1, $2, $3, $4; sep = ", " }')
	nft_chain "set flows {
			typeof ip saddr . ip daddr . udp sport . udp dport
			elements = { $elements }
		}" \
		"ip saddr . ip daddr . udp sport . udp dport @flows drop"
}

iptables_rules()
{
	{
		echo '*filter'
		listed_flows "$1" |
			awk '{ print "-A FORWARD -s", $1, "-d", $2, "-p udp --sport", $3, "--dport", $4, "-j DROP" }'
		echo 'COMMIT'
	} | in_router iptables-legacy-restore
}

tc_prog()
{
	tc -n router qdisc add dev in clsact
	tc -n router filter add dev in ingress bpf direct-action object-pinned "$PINS/$1"
}

tc_hash()
{
	fill_flows "$1"
	tc_prog tc_hash
}

xdp_prog()
{
	ip -n router link set dev in xdpgeneric pinned "$PINS/$1"
}

add_case nothing "no policy" nothing
add_case defrag "nf_defrag alone" defrag_alone
add_case bpf-accept "netfilter BPF: accept" attach nf_accept ip 0
add_case bpf-accept-inet "accept, inet" attach nf_accept inet 0
add_case bpf-accept-defrag "accept, defrag" attach nf_accept ip 0 defrag
add_case bpf-accept-strict "accept, strict defrag" attach nf_accept ip 0 strict
add_case bpf-accept-2 "two programs" attach_many 2
add_case bpf-accept-8 "eight programs" attach_many 8
add_case bpf-tuple "netfilter BPF: one flow" attach nf_tuple ip 0
add_case bpf-hash-1 "hash of 1 flow" bpf_hash 1
add_case bpf-hash-1k "hash of 1,000 flows" bpf_hash 1000
add_case bpf-hash-100k "hash of 100,000 flows" bpf_hash 100000
add_case bpf-lpm-10k "LPM trie of 10,000 prefixes" bpf_lpm 10000
add_case nft-1 "nft: one rule" nft_rules 1
add_case nft-10 "nft: 10 rules" nft_rules 10
add_case nft-100 "nft: 100 rules" nft_rules 100
add_case nft-1k "nft: 1,000 rules" nft_rules 1000
add_case nft-set-1 "nft: set of 1 flow" nft_set 1
add_case nft-set-1k "nft: set of 1,000 flows" nft_set 1000
add_case nft-set-100k "nft: set of 100,000 flows" nft_set 100000
add_case iptables-1 "iptables: one rule" iptables_rules 1
add_case iptables-10 "iptables: 10 rules" iptables_rules 10
add_case iptables-100 "iptables: 100 rules" iptables_rules 100
add_case iptables-1k "iptables: 1,000 rules" iptables_rules 1000
add_case tc-tuple "tc clsact BPF: one flow" tc_prog tc_tuple
add_case tc-hash-100k "tc clsact BPF: hash of 100,000 flows" tc_hash 100000
add_case xdp-tuple "XDP generic: one flow" xdp_prog xdp_tuple
