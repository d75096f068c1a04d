# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# scripts that source this use the variables
#
# A library to source: demo.sh, run-prog.sh and shell.sh share it.

ROUTER_DIR=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# The guest has no other namespaces, so short names do not collide.
[[ ! ${NF_BPF_PATCHED-} ]] || : "${NS_SUFFIX=}"
# shellcheck source=topology.sh
source "$ROUTER_DIR/topology.sh"
# The Python programs find the topology in the environment.
export "${!NS_@}" "${!CLIENT_@}" "${!ROUTER_@}" "${!SERVER_@}"

PROJECT=$(readlink -f "$ROUTER_DIR/../..")
BUILD=${BUILD:-$PROJECT/build}
BASE=${BASE:-6.1}
SAMPLES=$BUILD/$BASE/samples
BPFFS=/sys/fs/bpf
export PATH=$BUILD/tools/bin:$PATH:/usr/sbin:/sbin

warn()
{
	printf '%s\n' "${0##*/}: $*" >&2
}

die()
{
	warn "$@"
	exit 1
}

# Use the system's Python, do not write a cache into the tree, and do not load site
# packages, which take time at each start.
python()
{
	/usr/bin/python3 -BS "$@"
}

need_tools()
{
	local tool

	for tool; do
		[[ $(command -v "$tool") ]] ||
			die "$tool: not found: run scripts/packages.sh, or make tools for bpftool"
	done
}

need_bpffs()
{
	[[ $(stat -f -c %T "$BPFFS") == bpf_fs ]] ||
		die "$BPFFS: not a bpffs: mount -t bpf bpf $BPFFS"
}

need_samples()
{
	[[ -d $SAMPLES ]] || die "$SAMPLES: does not exist: run make samples"
}
