#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every fragment attack and accident of the list in Documentation/testing.rst, by
# crafted packets, without reassembly, with it and with strict: what leaves the
# router, what the program saw, what was counted, and the ICMP errors that came
# back. The table is frag/attacks.py.

source "$(dirname "$0")/../lib.sh"
# shellcheck source=frag/setup.sh
source "$SELFTESTS_SRC/torture/frag/setup.sh"
needs nft

lib_setup > >(sed 's/^/# /') 2>&1
python frag/run_attacks.py "$PINS/judge"
