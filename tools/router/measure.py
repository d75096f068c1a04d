#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Usage: measure.py ROUTER [VERDICTS]

For demo.sh: sends the demo's traffic of both families through the router, and prints
the results on the wires, a line of JSON for each family. VERDICTS is the pin of the
policy's counters. Exit status: 0, or 1 if the measurement failed.
"""

import json
import os
import subprocess
import sys

from flows import fold
from traffic import DNS_PORT, SHAPES, Traffic, families, token
from wire import WireError, Wires

VERDICTS = ("accepted", "dropped", "dropped as fragment")


def read_verdicts(pin):
    """The policy's counters. They prove that the policy ran."""
    if not pin:
        return None
    dump = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", pin],
                          capture_output=True, text=True, check=False)
    if dump.returncode:
        raise RuntimeError(f"bpftool map dump: {pin}: {dump.stdout.strip()}")
    return {name: sum(cpu["value"] for cpu in entry["formatted"]["values"])
            for name, entry in zip(VERDICTS, json.loads(dump.stdout))}


def dns_sizes(seen):
    """Fragment sizes of fragmented DNS datagrams, into and out of the router."""
    return [{"flow": flow.name,
             "in": next(iter(flow.into.datagrams.values())).sizes,
             "out": [d.sizes for d in flow.out.datagrams.values() if d.whole]}
            for flow in fold(seen).values()
            if DNS_PORT in (flow.sport, flow.dport)
            and any(d.fragmented for d in flow.into.datagrams.values())]


def exfiltrated(seen, shape):
    """Counts by payload, because most fragments have no ports."""
    counts = {}
    for name, to_router, wire in (("sent", True, "client"), ("arrived", False, "server")):
        data = [s.packet.data.count(token(shape)) * 8 for s in seen
                if s.wire == wire and s.to_router == to_router]
        counts[name] = {"bytes": sum(data), "fragments": sum(1 for d in data if d)}
    return counts


def measure(wires, router, family, pin):
    traffic = Traffic(wires, os.environ, family)
    before = read_verdicts(pin)
    ping = traffic.ping()
    answer = traffic.large_dns()
    sizes = dns_sizes(wires.take())
    traffic.padded_query()
    sizes += dns_sizes(wires.take())
    traffic.exfiltrate()
    seen = wires.take()
    after = read_verdicts(pin)
    return {"router": router, "family": family, "ping": ping, "dns": answer, "sizes": sizes,
            "exfiltration": {shape: exfiltrated(seen, shape) for shape in SHAPES},
            "verdicts": after and {k: after[k] - before[k] for k in after}}


def main():
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    pin = sys.argv[2] if len(sys.argv) == 3 else None
    try:
        wires = Wires(os.environ)
        for family in families(os.environ):
            print(json.dumps(measure(wires, sys.argv[1], family, pin)))
    except (OSError, RuntimeError, WireError) as error:
        print(f"measure: {sys.argv[1]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
