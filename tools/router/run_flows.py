#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Usage: run_flows.py demo | PCAP [BASELINE]

For run-prog.sh: sends the demo's traffic, or replays PCAP from the client's side, and
prints the input and output of the router for each flow. BASELINE is a file. The first
run, without a program, writes it and prints nothing. The next run reads from it which
flows the router does not forward even without the program. Exit status: 0, 1 if the
measurement failed, 2 wrong use.
"""

import json
import os
import struct
import subprocess
import sys

from flows import fold
from traffic import Traffic, families
from wire import WireError, Wires

LINK_ETHERNET, LINK_RAW_BSD, LINK_RAW, LINK_SLL, LINK_IPV4, LINK_IPV6 = 1, 12, 101, 113, 228, 229
LINK_HEADER = {LINK_ETHERNET: 14, LINK_RAW_BSD: 0, LINK_RAW: 0, LINK_SLL: 16,
               LINK_IPV4: 0, LINK_IPV6: 0}


def read_pcap(path):
    """The IP packets of a capture, and the number of frames without one to send."""
    # tcpdump reads all formats of tcpdump and wireshark, and writes only this one.
    result = subprocess.run(["tcpdump", "-r", path, "-w", "-"],
                            capture_output=True, check=False)
    data = result.stdout
    if result.returncode or len(data) < 24:
        reason = result.stderr.decode(errors="replace").strip().splitlines() or ["empty"]
        raise RuntimeError(f"{path}: not a capture: {reason[-1]}")
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    if link not in LINK_HEADER:
        raise RuntimeError(f"{path}: link type {link}: only Ethernet, raw IP and Linux "
                           "cooked (v1) captures can be replayed")
    packets, skipped, position = [], 0, 24
    while position + 16 <= len(data):
        captured, length = struct.unpack_from(order + "II", data, position + 8)
        packet = data[position + 16:position + 16 + captured][LINK_HEADER[link]:]
        if captured == length and packet and packet[0] >> 4 in (4, 6):
            packets.append(packet)
        else:
            skipped += 1
        position += 16 + captured
    return packets, skipped


def replay(wires, path, mtu):
    packets, skipped = read_pcap(path)
    fit = [p for p in packets if len(p) <= mtu]
    wires.send(wires.client, fit)
    wires.settle()
    return fold(wires.take()), [
        f"left out of the capture: {n} frames {why}" for n, why in (
            (skipped, "that are not IP, or not whole in it"),
            (len(packets) - len(fit), f"that are larger than the MTU of {mtu}")) if n]


def demo(wires):
    flows = {}
    for family in families(os.environ):
        traffic = Traffic(wires, os.environ, family)
        traffic.ping()
        traffic.connect()
        traffic.large_dns()
        traffic.padded_query()
        traffic.exfiltrate()
        flows.update(fold(wires.take()))
    return flows, []


def print_flows(flows, baseline):
    rows = [("flow", "in", "", "out", "", "verdict"),
            ("", "packets", "bytes", "packets", "bytes", "")]
    counts = {}
    for flow in flows:
        verdict = flow.verdict
        if verdict == "dropped" and baseline.get(flow.name) == "dropped":
            verdict = "not forwarded"
        counts[verdict] = counts.get(verdict, 0) + 1
        rows.append((flow.label, *map(str, (flow.into.packets, flow.into.bytes,
                                            flow.out.packets, flow.out.bytes)), verdict))
    widths = [max(map(len, column)) for column in zip(*rows)]
    for name, *numbers, verdict in rows:
        cells = [name.ljust(widths[0]), *(n.rjust(w) for n, w in zip(numbers, widths[1:])), verdict]
        print("  ".join(cells).rstrip())
    print(f"\n{len(flows)} flows: " + ", ".join(f"{n} {v}" for v, n in counts.items()))
    if "not forwarded" in counts:
        print("not forwarded: the router drops these without the program, too "
              "(no route, TTL, or not for forwarding)")


def main():
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    source, baseline, file = sys.argv[1], {}, sys.argv[2] if len(sys.argv) == 3 else None
    try:
        wires = Wires(os.environ)
        if source == "demo":
            flows, notes = demo(wires)
        else:
            flows, notes = replay(wires, source, int(os.environ["ROUTER_MTU"]))
        if file and not os.path.exists(file):
            with open(file, "w", encoding="utf-8") as out:
                json.dump({f.name: f.verdict for f in flows.values()}, out)
            return 0
        if file:
            with open(file, encoding="utf-8") as saved:
                baseline = json.load(saved)
    except (OSError, RuntimeError, WireError) as error:
        print(f"run: {error}", file=sys.stderr)
        return 1
    print_flows(list(flows.values()), baseline)
    for note in notes:
        print(note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
