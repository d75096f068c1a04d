#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The interactive router: see usage().

set -euo pipefail

usage()
{
	cat <<-'EOF_USAGE'
	Usage: shell.sh

	Sets up a client, a router and a server in namespaces with these names, with a DNS
	server on the server. Then it prints commands to try, and starts a shell in the
	network namespace of the router. "make shell" runs it in a guest. Everything is
	deleted when the shell ends.

	Exit status: 0 the shell has ended, 1 the set-up failed, 2 wrong use.
	EOF_USAGE
}

# The user types these names, so they are short.
: "${NS_SUFFIX=}"
# shellcheck source=env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=dns.sh
source "$ROUTER_DIR/dns.sh"

clean_up()
{
	local status=$?

	dns_down
	router_down
	# On a host the pin would otherwise be there at the next run.
	rm -rf "$POLICY" "$DIR"
	exit "$status"
}

cheat_sheet()
{
	cat <<-EOF

	client $CLIENT_IP4, $CLIENT_IP6
	  -- router, which forwards both families --
	server $SERVER_IP4, $SERVER_IP6, with DNS on port 53

	1. Ask for 3.5 KB over UDP. The answer comes in fragments:
	     ip netns exec $NS_CLIENT dig @$SERVER_IP4 $DNS_NAME TXT +bufsize=4096 +notcp +ignore
	2. Load the policy "accept UDP port 53 and ICMP, drop other UDP":
	     bpftool prog load ${SAMPLES#"$PROJECT"/}/udp_policy_netfilter.bpf.o $POLICY
	3. Attach it on the router, after reassembly, then ask again:
	     bpftool net attach netfilter pinned $POLICY hook forward defrag
	4. Look at it:
	     bpftool net show
	5. Detach it:
	     bpftool net detach netfilter hook forward

	This terminal is on the router. exit (or Ctrl-D) ends all of this.

	EOF
}

main()
{
	case ${1-} in
	--help)	usage; exit 0 ;;
	?*)	usage >&2; exit 2 ;;
	esac
	((EUID == 0)) || die "needs root: make shell runs it in a guest"
	[[ -t 0 ]] || die "standard input is not a terminal"
	need_tools bpftool dig ip nsenter
	need_bpffs
	need_samples
	DIR=$(mktemp -d)
	POLICY=$BPFFS/policy
	[[ ! -e $POLICY ]] || die "$POLICY: exists already: remove it"
	trap clean_up EXIT
	router_up
	dns_up "$DIR"
	cheat_sheet
	cd "$PROJECT"
	# Not "ip netns exec": pins made in its mount namespace vanish.
	PS1='router:\w# ' nsenter --net="/run/netns/$NS_ROUTER" bash --norc -i || :
}

main "$@"
