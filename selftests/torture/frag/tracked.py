# SPDX-License-Identifier: GPL-2.0
"""What a link that tracks fragments does with each packet of an attack, by the rules of
Documentation/fragments_track.rst: see outcome().
"""

from collections import Counter
from dataclasses import dataclass

from ip import (AUTHENTICATION, EXTENSIONS, FRAGMENT, HIP, MOBILITY, SHIM6, Unreadable, describe,
                dissect, extension_size, forwarded)
from oracle import is_refused
from packets import ICMP, ICMPV6, TCP, UDP

# The link does one of these with a packet. FORGOTTEN: it refuses the packet and has no
# entry for it, because the packet is malformed, and the first of its datagram.
JUDGED, LATER, REFUSED, FORGOTTEN, WAITS, WHOLE = (
    "judged", "later", "refused", "forgotten", "waits", "whole")

LAST = (MOBILITY, HIP, SHIM6)               # nothing may be behind these headers
MOST_RANGES = 32
TRANSPORT = {UDP: 8, ICMP: 8, ICMPV6: 8}    # bytes that a first fragment must have, and TCP's


@dataclass(frozen=True)
class Event:
    """index: the packet; label: its datagram. WHOLE: reassembly has completed the datagram."""

    what: str
    index: int
    label: int


def has_transport(piece):
    """Whether a first fragment has all headers up to the transport header."""
    proto, data = piece.proto, piece.data
    while proto in (EXTENSIONS if piece.family == 6 else (AUTHENTICATION,)):
        if proto == FRAGMENT or len(data) < 2 or extension_size(proto, data[1]) > len(data):
            return False
        behind, data = data[0], data[extension_size(proto, data[1]):]
        if proto in LAST and behind in EXTENSIONS:
            return False
        proto = behind
    if proto == TCP:
        return len(data) >= 20 and len(data) >= (data[12] >> 4) * 4
    return len(data) >= TRANSPORT.get(proto, 1)


def is_hidden(piece):
    """Whether the kernel does not find the fragment header."""
    if piece.family == 4:
        return False
    proto, before = piece.head[4], piece.head[38:]
    while before:
        if proto in LAST:
            return True
        proto, before = before[0], before[extension_size(proto, before[1]):]
    return False


def is_malformed(piece):
    """Whether no datagram has such a fragment."""
    headers = len(piece.head) + 8 if piece.family == 4 else len(piece.head) - 38
    return not piece.data or piece.end + headers > 65535 or (piece.more and piece.end % 8 != 0) \
        or (not piece.offset and not has_transport(piece))


class Waiting:
    """A datagram whose first fragment did not come first. Reassembly gets all fragments.

    needed: the bytes that make it whole; empty if it never becomes whole
    """

    def __init__(self, needed):
        self.needed, self.missing = bool(needed), set(needed)

    def add(self, piece):
        """Whether the datagram is whole."""
        self.missing -= set(range(piece.offset, piece.end))
        return self.needed and not self.missing


class Tracked:
    """A datagram whose first fragment came first."""

    def __init__(self, first):
        self.first = first
        self.ranges = [(0, first.end)]      # what has passed, with holes between
        self.length, self.ecn = 0, {first.tos & 3}
        self.narrowed = False               # a hole has become smaller
        self.ended = False

    def add(self, piece):
        """Whether the fragment leaves, if the program has accepted the first one."""
        if self.ended:
            return False
        fits = self.fits(piece)
        if fits is False:
            self.ended = True
            return False
        # As in reassembly, a duplicate can tell where the datagram ends.
        self.length = self.length if piece.more else piece.end
        if fits is None:
            return False
        touched = self.touched_by(piece)
        self.narrowed |= bool(touched) and piece.offset < self.reach
        joined = [*touched, (piece.offset, piece.end)]
        self.ranges = [r for r in self.ranges if r not in touched]
        self.ranges.append((min(start for start, _ in joined), max(end for _, end in joined)))
        self.ecn.add(piece.tos & 3)
        return True

    @property
    def reach(self):
        return max(end for _, end in self.ranges)

    def touched_by(self, piece):
        return [(start, end) for start, end in self.ranges
                if end == piece.offset or start == piece.end]

    def fits(self, piece):
        """True, False, or None for a duplicate that does not end the datagram"""
        if is_malformed(piece) or piece.route != self.first.route:
            return False
        if piece.more:
            contradicts = self.length and piece.end > self.length
        else:
            contradicts = piece.end < self.reach or self.length not in (0, piece.end)
        if contradicts:
            return False
        for start, end in self.ranges:
            if start <= piece.offset and piece.end <= end:
                return False if self.narrowed else None
            if start < piece.end and piece.offset < end:
                return False
        if len(self.ranges) == MOST_RANGES and not self.touched_by(piece):
            return False
        ecn = self.ecn | {piece.tos & 3}
        return 0 not in ecn or len(ecn) == 1

    def is_complete(self):
        return self.ranges == [(0, self.length)]


def outcome(before, sent, needed):
    """The Events of a train.

    before: the packets that the router got before the train
    sent: (index, label, Piece, interface) in order. interface: that of the key, or None
    needed: {label: set of bytes} of the datagrams that reassembly can make whole
    """
    known, events = {}, []
    for index, label, piece, interface in [*before, *sent]:
        key = piece.key, interface
        datagram = known.get(key)
        is_first = piece.offset == 0
        if piece.ident is None or (piece.family == 6 and is_first and not piece.more
                                   and not is_malformed(piece) and not is_hidden(piece)):
            events.append(Event(JUDGED, index, label))
        elif is_hidden(piece) or (datagram is None and is_malformed(piece)):
            events.append(Event(FORGOTTEN, index, label))
        elif datagram is None and is_first:
            known[key] = Tracked(piece)
            events.append(Event(JUDGED, index, label))
        elif isinstance(datagram, Tracked):
            passes = datagram.add(piece)
            events.append(Event(LATER if passes else REFUSED, index, label))
            if passes and datagram.is_complete():
                del known[key]
        else:
            datagram = known.setdefault(key, Waiting(needed.get(label, ())))
            events.append(Event(WAITS, index, label))
            if datagram.add(piece):
                events.append(Event(WHOLE, index, label))
                del known[key]
    return events[len(before):]


def against_the_rules(sent, left):
    """Texts: what left, or did not leave, of datagrams of which reassembly gets no fragment."""
    parts = []
    for index, packet in enumerate(sent):
        try:
            piece = dissect(packet)
        except Unreadable:
            continue
        if piece.ident is not None:
            parts.append((index, 0, piece, None))
    pieces = {index: piece for index, _, piece, _ in parts}
    by_key = {}
    for event in outcome([], parts, {}):
        by_key.setdefault(pieces[event.index].key, []).append(event)
    left, wrong = Counter(left), []
    for events in by_key.values():
        if any(e.what == WAITS for e in events):
            continue
        accepted, expected = False, Counter()
        for e in events:
            if e.what == JUDGED:
                accepted = not is_refused(pieces[e.index])
            expected[forwarded(sent[e.index])] += accepted and e.what in (JUDGED, LATER)
        for packet, count in expected.items():
            if left[packet] != count:
                wrong.append(f"{describe(dissect(packet))}: left {left[packet]} times in place of "
                             f"{count}, of: " + ", ".join(
                                 f"{e.what} {describe(pieces[e.index])}" for e in events))
    return wrong
