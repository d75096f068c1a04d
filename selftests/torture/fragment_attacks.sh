#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Sends every fragment attack and accident of the list in Documentation/fragments.rst as
# crafted packets: without reassembly, with it, with strict, and with track. Checks which
# packets leave the router, which packets the program sees, the counters, and the ICMP errors.
# The table of attacks is frag/attacks.py.
#
# Requires: nft

source "$(dirname "$0")/../lib.sh"
# shellcheck source=frag/setup.sh
source "$SELFTESTS_SRC/torture/frag/setup.sh"

# Do not limit kernel messages, because the tests check them.
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
