#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Run a program of the user on the router: see usage().

set -euo pipefail

usage()
{
	cat <<-'EOF_USAGE'
	Usage: run-prog.sh [PROG]

	Attaches a netfilter program on a router between a client and a server, sends
	traffic through it, and prints the input and output of each flow. "make run
	PROG=..." runs it, with these variables:

	  PROG=FILE.o[:NAME]  the object, and the program if the object has several
	  HOOK=forward        prerouting, input, forward, output or postrouting
	  PF=inet             inet, ip or ip6
	  PRIORITY=filter     a number, or a name of nft
	  DEFRAG=1            0: the program sees fragments as they come
	  PCAP=FILE           replay this file from the client, not the demo's traffic
	  V=1                 print all of a long log of the verifier

	Exit status: 0 the program ran, 1 it did not (see stderr), 2 wrong use.
	EOF_USAGE
}

# shellcheck source=env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=dns.sh
source "$ROUTER_DIR/dns.sh"

bad_use()
{
	warn "$@"
	warn "see tools/router/run-prog.sh --help"
	exit 2
}

clean_up()
{
	local status=$?

	dns_down
	router_down
	rm -rf "$PINS" "$DIR"
	exit "$status"
}

parse_options()
{
	case ${1-} in
	--help)	usage; exit 0 ;;
	-*)	bad_use "$1: unknown option" ;;
	esac
	(($# <= 1)) || bad_use "$2: there is one program at a time"
	PROG=${1:-${PROG-}} NAME=
	HOOK=${HOOK:-forward} PF=${PF:-inet} PRIORITY=${PRIORITY:-filter}
	DEFRAG=${DEFRAG:-1} PCAP=${PCAP-}

	[[ $PROG ]] || bad_use "PROG=: no program given"
	if [[ ! -e $PROG && $PROG == *:* ]]; then
		NAME=${PROG##*:}
		PROG=${PROG%:*}
	fi
	[[ $PF == inet || $PF == ip || $PF == ip6 ]] || bad_use "PF=$PF: give inet, ip or ip6"
	[[ $DEFRAG == 0 || $DEFRAG == 1 ]] || bad_use "DEFRAG=$DEFRAG: give 0 or 1"
	[[ -f $PROG && -r $PROG ]] || die "$PROG: no such file"
	[[ ! $PCAP || -f $PCAP && -r $PCAP ]] || die "$PCAP: no such file"
}

# The entry points of an object are its global functions, except for functions in
# .text, which the entry points call. readelf warns about objects that bpftool links.
list_programs()
{
	local text

	text=$(readelf -SW "$PROG" 2>/dev/null | sed -n 's/^ *\[ *\([0-9]*\)\] \.text .*/\1/p')
	readelf -sW "$PROG" 2>/dev/null |
		awk -v text="$text" '$4 == "FUNC" && $5 == "GLOBAL" && $7 != text { print $8 }'
}

choose_program()
{
	local programs

	[[ $(readelf -hW "$PROG" 2>/dev/null) == *Machine:*BPF* ]] ||
		die "$PROG: not a BPF object: clang -g -O2 -target bpf -c makes one"
	mapfile -t programs < <(list_programs)
	((${#programs[@]})) || die "$PROG: there is no program in it: is there a SEC(\"netfilter\")?"
	if [[ $NAME ]]; then
		[[ " ${programs[*]} " == *" $NAME "* ]] ||
			die "$PROG: no program $NAME in it: there is ${programs[*]}"
	elif ((${#programs[@]} > 1)); then
		die "$PROG: has several programs, choose one by PROG=${PROG##*/}:NAME: ${programs[*]}"
	else
		NAME=${programs[0]}
	fi
}

# libbpf prints the verifier's log between two lines of its own.
print_refusal()
{
	local log=$DIR/verifier lines

	awk '/-- BEGIN PROG LOAD LOG --/ { on = 1; next }
	     /-- END PROG LOAD LOG --/ { on = 0 }
	     on' "$DIR/load" >"$log"
	if [[ ! -s $log ]]; then
		cat "$DIR/load" >&2
		die "$PROG: cannot load it (see above)"
	fi
	lines=$(wc -l <"$log")
	if ((lines > 100)) && [[ ! ${V-} ]]; then
		tail -n 100 "$log" >&2
		die "$PROG: the verifier refuses it (the last 100 of $lines lines of its log)"
	fi
	cat "$log" >&2
	die "$PROG: the verifier refuses it (its log is above)"
}

load_program()
{
	local type

	mkdir -p "$PINS"
	bpftool prog loadall "$PROG" "$PINS/prog" >"$DIR/load" 2>&1 || print_refusal
	type=$(bpftool -j prog show pinned "$PINS/prog/$NAME" | jq -r .type)
	[[ $type == netfilter ]] ||
		die "$NAME: is a program of type $type: this needs SEC(\"netfilter\")"
}

attach_program()
{
	local -a command=(bpftool net attach netfilter pinned "$PINS/prog/$NAME" "$PF"
			  hook "$HOOK" priority "$PRIORITY")

	((DEFRAG == 0)) || command+=(defrag)
	command+=(netns "$NS_ROUTER" pin "$PINS/link")
	printf '# %s\n' "${command[*]}"
	"${command[@]}" || die "$NAME: cannot attach it (see above)"
}

# Route all packets of a capture to the server's wire.
route_everything()
{
	local scope

	router_defaults "$SERVER_IP4" "$SERVER_IP6" | ip -n "$NS_ROUTER" -batch -
	for scope in all default "$ROUTER_LEFT_DEV" "$ROUTER_RIGHT_DEV"; do
		# shellcheck disable=SC2016 # the inner shell expands $1
		in_ns "$NS_ROUTER" bash -c \
			'echo 0 > "/proc/sys/net/ipv4/conf/$1/send_redirects"' -- "$scope"
	done
}

main()
{
	parse_options "$@"
	((EUID == 0)) || die "needs root: make run PROG=... runs it in a guest"
	need_tools bpftool dig ip jq readelf tcpdump
	need_bpffs
	DIR=$(mktemp -d)
	PINS=$BPFFS/run$NS_SUFFIX
	trap clean_up EXIT

	choose_program
	load_program
	router_up
	if [[ $PCAP ]]; then
		route_everything
		python "$ROUTER_DIR/run_flows.py" "$PCAP" "$DIR/baseline"
		attach_program
		python "$ROUTER_DIR/run_flows.py" "$PCAP" "$DIR/baseline"
	else
		dns_up "$DIR"
		attach_program
		python "$ROUTER_DIR/run_flows.py" demo
	fi
}

main "$@"
