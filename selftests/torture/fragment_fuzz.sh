#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Sends random trains of fragments through the router under a strict link. An oracle with its
# own reassembly judges the results. First come falsified results, which the oracle must
# notice, and the trains of corpus/. NF_BPF_SECONDS and NF_BPF_SEED: see frag/run_fuzz.py.

source "$(dirname "$0")/../lib.sh"
# shellcheck source=frag/setup.sh
source "$SELFTESTS_SRC/torture/frag/setup.sh"

lib_setup > >(sed 's/^/# /') 2>&1
python frag/run_fuzz.py "$PINS/judge" "$SELFTESTS_SRC/torture/corpus"
