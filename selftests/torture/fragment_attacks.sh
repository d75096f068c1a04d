#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every fragment attack and accident of the list in Documentation/fragments.rst, by
# crafted packets, without reassembly, with it and with strict: what leaves the
# router, what the program saw, what was counted, and the ICMP errors that came
# back. The table is frag/attacks.py.
#
# Requires: nft

source "$(dirname "$0")/../lib.sh"
# shellcheck source=frag/setup.sh
source "$SELFTESTS_SRC/torture/frag/setup.sh"

# The kernel's words are part of what is tested, not to be spared.
unlimited_log()
{
	MESSAGE_COST=$(< /proc/sys/net/core/message_cost)
	echo 0 > /proc/sys/net/core/message_cost
}

cleanup()
{
	[[ -z ${MESSAGE_COST:-} ]] || echo "$MESSAGE_COST" > /proc/sys/net/core/message_cost
}

lib_setup > >(sed 's/^/# /') 2>&1
unlimited_log
python frag/run_attacks.py "$PINS/judge"
