#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Random trains of fragments through the router, under a strict program and under one that
# tracks fragments: whatever strict refuses is refused, a host gets what was judged, later
# fragments follow an accepted first one, and what leaves follows from the rules of the
# documentation. First come falsified results, which must break these laws, and the trains of
# corpus/.
# NF_BPF_SECONDS and NF_BPF_SEED: frag/run_track.py.

source "$(dirname "$0")/../lib.sh"
# shellcheck source=frag/setup.sh
source "$SELFTESTS_SRC/torture/frag/setup.sh"

lib_setup > >(sed 's/^/# /') 2>&1
python frag/run_track.py "$PINS/judge" "$SELFTESTS_SRC/torture/corpus"
