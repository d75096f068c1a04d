# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions for the tests of "nf-bpf metrics". A test file sources this file in place of lib.sh.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

FIGURES=	# a JSON object for each sample

setup()
{
	/usr/bin/python3 -c 'import prometheus_client.parser, yaml' 2> "$WORK/python" ||
		lacks "python3-prometheus-client and python3-yaml"
	setup_policy
}

# parse FILE: a line of JSON for each sample. The parser of prometheus_client checks the syntax.
# It does not check that samples of a metric are together and are there once.
parse()
{
	/usr/bin/python3 - "$1" <<-'END'
	import json, sys
	from prometheus_client.parser import text_string_to_metric_families
	text = open(sys.argv[1]).read()
	seen = set()
	names = set()
	for family in text_string_to_metric_families(text):
	    # The parser takes _total from the name of a counter.
	    name = family.name + ("_total" if family.type == "counter" else "")
	    assert name not in names, f"{name}: is there twice"
	    names.add(name)
	    assert family.documentation, f"{name}: no HELP"
	    assert family.type in ("counter", "gauge"), f"{name}: {family.type}"
	    for sample in family.samples:
	        assert sample.name == name, f"{sample.name}: of {name}"
	        assert sample.name.startswith("nf_bpf_")
	        key = (sample.name, tuple(sorted(sample.labels.items())))
	        assert key not in seen, f"{key}: is there twice"
	        seen.add(key)
	        print(json.dumps({"name": sample.name, "value": int(sample.value),
	                          **sample.labels}))
	END
}

# read_metrics: write the file $WORK/metrics.prom, and read it into FIGURES
read_metrics()
{
	nf_bpf metrics "$WORK/metrics.prom"
	FIGURES=$(parse "$WORK/metrics.prom") || fail "$FIGURES"
}

# figure NAME [FILTER]: the sum of its samples for which the filter of jq is true; empty if there
# is none.
figure()
{
	jq -s -r "map(select(.name == \"nf_bpf_$1\" and (${2:-true})).value) | add // empty" \
		<<< "$FIGURES"
}

# expect_figure NAME VALUE [FILTER]
expect_figure()
{
	expect_eq "$1 ${3:-}" "$2" "$(figure "$1" "${3:-true}")"
}

# in_router [FILTER]: a filter for the network namespace of the router
in_router()
{
	echo ".netns == \"$NS_ROUTER\"${1:+ and $1}"
}
