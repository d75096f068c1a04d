#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The interactive router: see usage().

set -euo pipefail

usage()
{
	cat <<-'EOF_USAGE'
	Usage: shell.sh

	Sets up a client, a router and a server in namespaces of these names, with a DNS
	server in the last, prints what to try, and gives a shell. Usually run by
	"make shell", in a guest. All of it is gone when the shell ends.

	Exit status: 0 once the shell has ended, 1 if it could not be set up, 2 wrong use.
	EOF_USAGE
}

# Somebody types these names.
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
	# On a host it would be there for the next time; a guest is gone anyhow.
	rm -rf "$POLICY" "$DIR"
	exit "$status"
}

cheat_sheet()
{
	cat <<-EOF

	client $CLIENT_IP4, $CLIENT_IP6
	  -- router, which forwards both families --
	server $SERVER_IP4, $SERVER_IP6, with DNS on port 53

	1. Ask for 3.5 KB over UDP, which come in fragments:
	     ip netns exec $NS_CLIENT dig @$SERVER_IP4 $DNS_NAME TXT +bufsize=4096 +notcp +ignore
	2. Load the policy "UDP port 53 and ICMP pass, other UDP does not":
	     bpftool prog load ${SAMPLES#"$PROJECT"/}/udp_policy_netfilter.bpf.o $POLICY
	3. Put it on the router, behind reassembly, then ask again:
	     bpftool net attach netfilter pinned $POLICY hook forward defrag netns $NS_ROUTER
	4. See it:
	     bpftool net show netns $NS_ROUTER
	5. Take it off again:
	     bpftool net detach netfilter hook forward netns $NS_ROUTER

	exit (or Ctrl-D) ends all of this.

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
	need_tools bpftool dig ip
	need_bpffs
	need_samples
	DIR=$(mktemp -d)
	POLICY=$BPFFS/policy
	[[ ! -e $POLICY ]] || die "$POLICY: is there already: remove it"
	trap clean_up EXIT
	router_up
	dns_up "$DIR"
	cheat_sheet
	cd "$PROJECT"
	PS1='\h:\w# ' bash --norc -i || :
}

main "$@"
