#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Usage: run_track.py PINS CORPUS

For fragment_track.sh: sends random trains through the router of the environment, first under
a strict program and then under one that tracks fragments, and compares the two. Prints KTAP.

judged_by_first_fragments   the program judged whole packets and tracked first fragments only
host_gets_what_was_accepted a host that puts together what left has only packets that the
                            program accepts, and finds no overlap in them. The same is true of
                            incomplete packets, which have a first fragment
refused_as_strict_does      each of these packets was accepted under strict, too, without the
                            malformed fragments that a link which tracks fragments forgets
follows_what_was_accepted   a later fragment leaves after its first one, which the program has
                            accepted, and with the same route; or with all of a datagram that
                            it has accepted: follow.py
leaves_by_the_rules         if the first fragment came first, those fragments leave that have to
                            leave by the rules of Documentation/fragments_track.rst: tracked.py

First come falsified results, which must break these laws, and the trains of CORPUS. A batch
that breaks a law is sent again, with less and less in it.

NF_BPF_SECONDS: of random trains (600; 30 with NF_BPF_SMOKE=1)
NF_BPF_SEED: of these; batch N of a seed is always the same
"""

import os
import time
from collections import Counter
from dataclasses import replace

import packets
from follow import follow
from ip import (DESTINATION, ROUTING, Overlap, Reassembler, Unreadable, describe, dissect,
                fix_checksum, forwarded)
from judge import write_sysctl
from oracle import PADDING, is_refused
from run_fuzz import BATCH, LIMIT, Results, Router, fewer_packets, other, read_corpus, run
from tracked import FORGOTTEN, against_the_rules, outcome
from train import PORTS, SOURCE_ROUTE, SPORT, Fragment, Train, mixed, random_batch

EXPIRY = 5          # seconds until incomplete datagrams expire
SHRINKING = 120     # seconds to look for fewer fragments that break a law
TRACKED = 8         # BPF_NF_FRAG_TRACKED
LAWS = ("judged_by_first_fragments", "host_gets_what_was_accepted", "refused_as_strict_does",
        "follows_what_was_accepted", "leaves_by_the_rules")


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
    reassembler, found = Reassembler(), []
    for packet in left:
        try:
            piece = reassembler.add(dissect(packet))
        except (Overlap, Unreadable) as error:
            broken.append((LAWS[1], str(error)))
            continue
        if piece:
            found.append(piece)
    for queue in reassembler.queues.values():
        if queue[0].offset:
            broken.append((LAWS[1], f"without the first: {', '.join(map(describe, queue))}"))
        elif is_refused(queue[0]):
            broken.append((LAWS[1], f"refused, in part: {queue[0].data[:40].hex()}"))
    return found


def compare(strict, track):
    """(law, text) of what is wrong, and the number of packets that a host gets."""
    broken = []
    check_judged(track.judged, broken)
    found = packets_of_host(track.left, broken)
    for piece in found:
        if is_refused(piece):
            broken.append((LAWS[1], f"refused: protocol {piece.proto}: {piece.data[:40].hex()}"))
    for key in (Counter(map(content, found)) - accepted(strict.judged)).elements():
        broken.append((LAWS[2], f"protocol {key[3]}, {len(key[4])} bytes: {key[4][:40].hex()}"))
    broken += [(LAWS[3], text) for text in follow(track.judged, track.left)]
    broken += [(LAWS[4], text) for text in against_the_rules(track.sent, track.left)]
    return broken, len(found)


def without_atomic(sent):
    """The fragments, but for IPv6 datagrams in one fragment that share an identification.

    They have nothing to do with each other (RFC 6946), and a link that tracks fragments takes
    them so. Strict's reassembly joins them.
    """
    users = Counter((family, f.ident) for family, f in sent)
    return [(family, f) for family, f in sent
            if family == 4 or f.bare or f.offset & 0xFFFF or f.more or
            users[family, f.ident] == 1]


def without_forgotten(router, sent):
    """The fragments that a link that tracks fragments does not forget.

    If such a link knows nothing of a datagram, a malformed fragment changes nothing. Strict's
    reassembly keeps some of them (IPv4's first fragment without its TCP header), or what they
    say (the end of an IPv6 datagram, from a last fragment without data), and then refuses
    datagrams that do not agree.
    """
    pieces = []
    for index, (family, f) in enumerate(sent):
        try:
            pieces.append((index, 0, dissect(router.pack(family, f, 0)), None))
        except Unreadable:
            continue
    forgotten = {e.index for e in outcome([], pieces, {}) if e.what == FORGOTTEN}
    return [packet for index, packet in enumerate(sent) if index not in forgotten]


def exchange(router, sent):
    """What was observed under strict and under track, and the counters of the latter."""
    router.attach("strict")
    strict, _ = router.exchange(without_forgotten(router, sent))
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


# --- do the laws see false results? ----------------------------------------------------

def datagrams(router):
    """The fragments of three datagrams of each family: the first is accepted and comes in order,
    the second is refused, and reassembly gets the third."""
    sent = []
    for family in (4, 6):
        for ident, port in enumerate((PORTS[0], PORTS[1], PORTS[0])):
            data = packets.udp(*router.hosts[family], SPORT, port, bytes(range(200)) * 10)
            parts = [Fragment(at, at + 800 < len(data), data[at:at + 800], ident=ident)
                     for at in range(0, len(data), 800)]
            sent += [(family, f) for f in (reversed(parts) if ident == 2 else parts)]
    return sent


def with_headers(packet, extra):
    """The packet with more headers: options of IPv4, or the body of an IPv6 header."""
    if packet[0] >> 4 == 4:
        size = 20 + len(extra)
        total = int.from_bytes(packet[2:4], "big") + len(extra)
        return fix_checksum(bytes([0x40 | size // 4, packet[1]]) + total.to_bytes(2, "big") +
                            packet[4:20] + extra + packet[20:], size)
    length = int.from_bytes(packet[4:6], "big") + 1 + len(extra[1:])
    return packet[:4] + length.to_bytes(2, "big") + extra[:1] + packet[7:40] + packet[6:7] + \
        extra[1:] + packet[40:]


def with_ecn(packet, ecn):
    return fix_checksum(packet[:1] + bytes([packet[1] | ecn]) + packet[2:], 20)


def changed(at, change):
    """Changes a packet that left."""
    return lambda o: replace(o, left=o.left[:at] + [change(o.left[at])] + o.left[at + 1:])


def also(*numbers):
    """These packets, which the router has not let through, leave, too."""
    return lambda o: replace(o, left=o.left + [forwarded(o.sent[n]) for n in numbers])


# Where the test finds the packets that it sends, that leave and that the program judges. A datagram
# has three fragments.
REFUSED4, SENT6, REFUSED6 = 3, 9, 12
LEFT4, WHOLE4, LEFT6, WHOLE6 = 0, 3, 6, 9
JUDGED4, JUDGED_REFUSED4 = 0, 1

# The name, the laws that are broken, and a function that falsifies an Observed.
FALSIFIED = (
    ("later_fragments_of_a_refused_datagram_ipv4", (1, 3, 4), also(REFUSED4 + 1, REFUSED4 + 2)),
    ("later_fragments_of_a_refused_datagram_ipv6", (1, 3, 4), also(REFUSED6 + 1, REFUSED6 + 2)),
    ("the_first_fragment_of_a_refused_datagram", (1, 3, 4), also(REFUSED4)),
    ("a_later_fragment_before_the_first", (3,), lambda o: replace(
        o, left=[o.left[1], o.left[0]] + o.left[2:])),
    ("a_later_fragment_after_the_last", (1, 3, 4), also(SENT6 + 1)),
    ("no_first_fragment", (1, 3, 4), lambda o: replace(o, left=o.left[1:])),
    ("a_first_fragment_that_nobody_judged", (3,), lambda o: replace(o, judged=o.judged[1:])),
    ("a_first_fragment_that_was_refused", (3,), lambda o: replace(
        o, judged=[other(o.judged[JUDGED4], verdict=0)] + o.judged[1:])),
    ("a_verdict_on_the_wrong_datagram", (3,), lambda o: replace(
        o, judged=[other(o.judged[0], verdict=0), other(o.judged[1], verdict=1)] +
        o.judged[2:])),
    ("a_later_fragment_judged", (0,), lambda o: replace(
        o, judged=o.judged + [other(o.judged[JUDGED_REFUSED4], packet=o.sent[REFUSED4 + 1])])),
    ("a_fragment_twice", (1, 4), lambda o: replace(
        o, left=o.left[:1] + o.left[1:2] * 2 + o.left[2:])),
    ("a_byte_of_a_later_fragment", (2, 4), changed(
        LEFT6 + 1, lambda packet: packet[:-1] + bytes([packet[-1] ^ 1]))),
    ("a_source_route", (3, 4), changed(
        LEFT4 + 1, lambda packet: with_headers(packet, SOURCE_ROUTE))),
    ("a_routing_header", (3, 4), changed(
        LEFT6 + 1, lambda packet: with_headers(packet, bytes([ROUTING, 0, 4, 1]) + bytes(4)))),
    ("destination_options", (3, 4), changed(
        LEFT6 + 2, lambda packet: with_headers(packet, bytes([DESTINATION]) + PADDING))),
    ("ecn", (3, 4), changed(LEFT4 + 2, lambda packet: with_ecn(packet, 3))),
    ("a_reassembled_datagram_without_an_end", (3,), lambda o: replace(o, left=o.left[:-1])),
    ("a_reassembled_datagram_without_a_middle", (3,), lambda o: replace(
        o, left=o.left[:WHOLE4 + 1] + o.left[WHOLE4 + 2:])),
    ("a_reassembled_datagram_that_was_refused", (3,), lambda o: replace(
        o, judged=o.judged[:-1] + [other(o.judged[-1], verdict=0)])),
    ("other_bytes_of_a_reassembled_datagram", (2, 3), changed(
        WHOLE6 + 1, lambda packet: packet[:-1] + bytes([packet[-1] ^ 1]))),
)


def try_laws(router, results):
    """The fragments of datagrams() leave or not, as they have to. Falsified, they break laws."""
    strict, track, _ = exchange(router, datagrams(router))
    results.add("track_content_with_what_is_right",
                [f"{law}: {text}" for law, text in compare(strict, track)[0]])
    if (len(track.left), len(track.judged)) != (12, 6):
        raise RuntimeError("the laws cannot be tried: of six datagrams in 18 fragments, "
                           f"{len(track.judged)} were judged, and {len(track.left)} packets left")
    for name, numbers, change in FALSIFIED:
        wanted = {LAWS[n] for n in numbers}
        got = {law for law, _ in compare(strict, change(track))[0]}
        results.add(f"track_notices_{name}", [] if got == wanted else
                    [f"expected {sorted(wanted)}, got {sorted(got)}"])


# --- random trains ------------------------------------------------------------------

def fuzz(router, seconds, seed):
    figures, broken = Counter(), {law: [] for law in LAWS}
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end and not any(broken.values()):
        trains = random_batch(seed, number, router.hosts, BATCH)
        # A fragment with a hop limit of 1 meets strict's reassembly, but not a FORWARD hook.
        sent = without_atomic([(family, f) for family, f in mixed(seed, number, trains)
                               if f.ttl > 1])
        strict, track, links = exchange(router, sent)
        wrong, found = compare(strict, track)
        figures.update(trains=len(trains), fragments=len(sent), packets=found,
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


def main(seed, seconds, pins, trains):
    corpus = read_corpus(trains)
    results = Results(1 + len(FALSIFIED) + len(corpus) + len(LAWS) + 1)
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
    # By default, the router drops packets with a source route.
    write_sysctl(os.environ["NS_ROUTER"], "ipv4/conf/all/accept_source_route", 1)
    try_laws(router, results)
    for train in corpus:
        strict, track, _ = exchange(router, [(train.family, f) for f in train.fragments])
        results.add(f"corpus_{train.name}_track",
                    [f"{law}: {text}" for law, text in compare(strict, track)[0]])
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
    run(main, __doc__, 2)
