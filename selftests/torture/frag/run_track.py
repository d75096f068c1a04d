#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Usage: run_track.py PINS

For fragment_track.sh: sends random trains through the router of the environment, first under
a strict program and then under one that tracks fragments, and compares the two. Prints KTAP.

judged_by_first_fragments   the program judged whole packets and tracked first fragments only
host_gets_what_was_accepted a host that puts together what left has only packets that the
                            program accepts, and finds no overlap in them
refused_as_strict_does      each of these packets was accepted under strict, too

A batch that breaks a law is sent again, with less and less in it.

NF_BPF_SECONDS: of random trains (600; 30 with NF_BPF_SMOKE=1)
NF_BPF_SEED: of these; batch N of a seed is always the same
"""

import os
import time
from collections import Counter

from ip import Overlap, Reassembler, Unreadable, describe, dissect
from judge import write_sysctl
from oracle import is_refused
from run_fuzz import BATCH, LIMIT, Results, Router, fewer_packets, run
from train import Train, mixed, random_batch

EXPIRY = 5          # seconds until incomplete datagrams expire
SHRINKING = 120     # seconds to look for fewer fragments that break a law
TRACKED = 8         # BPF_NF_FRAG_TRACKED
LAWS = ("judged_by_first_fragments", "host_gets_what_was_accepted", "refused_as_strict_does")


def content(piece):
    """What makes two packets the same datagram; TTL and identification do not."""
    return piece.family, piece.src, piece.dst, piece.proto, piece.data


def accepted(judged):
    """Counter of the whole packets that the program accepted."""
    pieces = [dissect(j.packet) for j in judged if j.verdict]
    return Counter(content(p) for p in pieces if p.ident is None)


def check_judged(judged, broken):
    for j in judged:
        try:
            piece = dissect(j.packet)
        except Unreadable as error:
            broken.append((LAWS[0], str(error)))
            continue
        if piece.ident is not None and (piece.offset or not j.info & TRACKED):
            broken.append((LAWS[0], f"{describe(piece)}, information {j.info:#x}"))


def packets_of_host(left, broken):
    """What a host makes of the packets that left."""
    reassembler, packets = Reassembler(), []
    for packet in left:
        try:
            piece = reassembler.add(dissect(packet))
        except (Overlap, Unreadable) as error:
            broken.append((LAWS[1], str(error)))
            continue
        if piece:
            packets.append(piece)
    return packets


def compare(strict, track):
    """(law, text) of what is wrong, and the number of packets that a host gets."""
    broken = []
    check_judged(track.judged, broken)
    packets = packets_of_host(track.left, broken)
    for piece in packets:
        if is_refused(piece):
            broken.append((LAWS[1], f"refused: protocol {piece.proto}: {piece.data[:40].hex()}"))
    for key in (Counter(map(content, packets)) - accepted(strict.judged)).elements():
        broken.append((LAWS[2], f"protocol {key[3]}, {len(key[4])} bytes: {key[4][:40].hex()}"))
    return broken, len(packets)


def without_atomic(sent):
    """The fragments, but for IPv6 datagrams in one fragment that share an identification.

    They have nothing to do with each other (RFC 6946), and a link that tracks fragments takes
    them so. Strict's reassembly joins them.
    """
    users = Counter((family, f.ident) for family, f in sent)
    return [(family, f) for family, f in sent
            if family == 4 or f.bare or f.offset & 0xFFFF or f.more or
            users[family, f.ident] == 1]


def exchange(router, sent):
    """What was observed under strict and under track, and the counters of the latter."""
    router.attach("strict")
    strict, _ = router.exchange(sent)
    router.attach("track")
    track, links = router.exchange(sent)
    return strict, track, links


def breaks(router, sent, laws):
    strict, track, _ = exchange(router, sent)
    return bool({law for law, _ in compare(strict, track)[0]} & laws)


def report(router, seed, number, sent, broken):
    found = [f"{law}: {text}" for law, text in broken]
    laws = {law for law, _ in broken}
    if not breaks(router, sent, laws):
        return found + [f"seed {seed}, batch {number}: not again, when sent a second time"]
    small = fewer_packets(sent, lambda fewer: breaks(router, fewer, laws),
                          time.monotonic() + SHRINKING)
    for family in (4, 6):
        fragments = [f for fam, f in small if fam == family]
        if fragments:
            found.append(f"seed {seed}, batch {number}, shrunk to:\n{Train(family, fragments)}")
    return found


def fuzz(router, seconds, seed):
    figures, broken = Counter(), {law: [] for law in LAWS}
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end and not any(broken.values()):
        trains = random_batch(seed, number, router.hosts, BATCH)
        # A fragment with a hop limit of 1 meets strict's reassembly, but not a FORWARD hook.
        sent = without_atomic([(family, f) for family, f in mixed(seed, number, trains)
                               if f.ttl > 1])
        strict, track, links = exchange(router, sent)
        wrong, packets = compare(strict, track)
        figures.update(trains=len(trains), fragments=len(sent), packets=packets,
                       strict=accepted(strict.judged).total(),
                       tracked=sum(1 for j in track.judged if j.info & TRACKED),
                       reassembled=sum(1 for j in track.judged if j.pieces > 1),
                       dropped=links["dropped"], refused=links["dropped_fragments"])
        if wrong:
            texts = report(router, seed, number, sent, wrong)
            for law in {law for law, _ in wrong}:
                broken[law] = texts
        number += 1
    return broken, figures


def main(seed, seconds, pins):
    results = Results(len(LAWS) + 1)
    print(f"# figure: seed {seed}", flush=True)
    router = Router(os.environ, pins)
    # Strict gives up a datagram if many other fragments come in between. Track does not. Both
    # kinds of reassembly need memory for incomplete datagrams.
    write_sysctl(os.environ["NS_ROUTER"], "ipv4/ipfrag_max_dist", 0)
    for prefix in ("ipv4/ipfrag_", "netfilter/nf_conntrack_frag6_"):
        write_sysctl(os.environ["NS_ROUTER"], prefix + "high_thresh", 4 * LIMIT)
    # Each batch takes the identifications of two exchanges, so they come again soon.
    router.expire_after(EXPIRY)
    write_sysctl(os.environ["NS_ROUTER"], "netfilter/nf_bpf_track_timeout", EXPIRY)
    broken, figures = fuzz(router, seconds, seed)
    for law in LAWS:
        results.add(f"track_{law}", broken[law])
    results.add("track_reached_everything",
                [f"{name}: none of {figures['trains']} trains" for name in
                 ("packets", "strict", "tracked", "reassembled", "dropped", "refused")
                 if not figures[name]])
    print("# figure: " + ", ".join(f"{figures[name]} {name}" for name in figures))
    return 1 if results.failed else 0


if __name__ == "__main__":
    run(main, __doc__, 1)
