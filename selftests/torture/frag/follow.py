# SPDX-License-Identifier: GPL-2.0
"""The law on what leaves under a link that tracks fragments.

A packet that leaves is one of these:

- a whole packet, or a first fragment, which the program has accepted
- a fragment of a datagram that reassembly completed and the program accepted. All of its
  fragments leave, one after the other
- a later fragment of a datagram whose first fragment has left before, and which is not
  complete yet. It has the route of the first one (ip.Piece.route), and ECN bits that go with
  those of the others
"""

from dataclasses import dataclass, field, replace

from ip import Unreadable, describe, dissect, whole


@dataclass
class Datagram:
    """A datagram whose first fragment has left. From its last missing fragment on, the next
    fragment with its identification is of another datagram."""

    first: object
    ranges: list = field(default_factory=list)
    length: int = 0
    ecn: set = field(default_factory=set)

    def add(self, piece):
        """Why this fragment must not leave, or None."""
        self.ecn.add(piece.tos & 3)
        self.ranges.append((piece.offset, piece.end))
        if not piece.more:
            self.length = piece.end
        if piece.route != self.first.route:
            return f"route {piece.route.hex()}, the first fragment has {self.first.route.hex()}"
        if 0 in self.ecn and len(self.ecn) > 1:
            return f"ECN bits {sorted(self.ecn)}"
        return None

    def is_complete(self):
        reach = 0
        for start, end in sorted(self.ranges):
            if start > reach:
                return False
            reach = max(reach, end)
        return reach == self.length


class Follower:
    """Explains packets by what the program has accepted, in the order in which they left."""

    def __init__(self, accepted):
        """accepted: (packet, its Piece), in order"""
        self.accepted = [(packet, replace(piece, flags=0)) for packet, piece in accepted]
        self.at = 0                 # the first of these that may still leave
        self.open = {}              # Datagram by Piece.key
        # A reassembled datagram without the headers that each fragment has, and those of its
        # fragments that have left
        self.body, self.rest = b"", []

    def follow(self, packet, piece):
        """Why this packet must not leave, or None."""
        if self.rest:
            return self.go_on(piece)
        if piece.offset:
            return self.follow_first(piece)
        for at in range(self.at, len(self.accepted)):
            judged, whole_piece = self.accepted[at]
            if judged == packet:
                self.at = at + 1
                self.begin(piece)
                return None
            if is_part(piece, whole_piece):
                self.at = at + 1
                self.body = body_of(piece, whole_piece)
                self.rest = [piece] if piece.more else []
                return None
        return f"{describe(piece)}: the program has not accepted it"

    def begin(self, piece):
        if piece.more:
            self.open[piece.key] = Datagram(piece)
            self.open[piece.key].add(piece)

    def follow_first(self, piece):
        datagram = self.open.get(piece.key)
        if not datagram:
            return f"{describe(piece)}: no accepted first fragment has left"
        wrong = datagram.add(piece)
        if datagram.is_complete():
            del self.open[piece.key]
        return wrong and f"{describe(piece)}: {wrong}"

    def go_on(self, piece):
        """The next fragment of a reassembled datagram."""
        last = self.rest[-1]
        if piece.key != last.key or piece.offset != last.end or \
                piece.data != self.body[piece.offset:piece.end]:
            self.rest = []
            return f"{describe(piece)}: in place of what follows {describe(last)}"
        self.rest = self.rest + [piece] if piece.more else []
        return None

    def end(self):
        """What is missing in the end, or None."""
        return f"nothing follows {describe(self.rest[-1])}" if self.rest else None


def body_of(first, packet):
    """What the fragments of a whole packet have as data, if this is the first one."""
    return packet.data[len(first.head) - 38:] if first.family == 6 and first.ident is not None \
        else packet.data


def is_part(first, packet):
    """Whether first is the first fragment of this packet, which was reassembled, or all of it."""
    body = body_of(first, packet)
    if packet.ident is not None or \
            (not body.startswith(first.data) if first.more else body != first.data):
        return False
    try:
        return replace(whole(first, body), flags=0) == packet
    except Unreadable:
        return False


def readable(packets):
    """(packet, its Piece) of those that can be read."""
    for packet in packets:
        try:
            yield packet, dissect(packet)
        except Unreadable:
            continue


def follow(judged, left):
    """Texts: what must not have left. judged: judge.Judged, in order."""
    follower = Follower(readable(j.packet for j in judged if j.verdict))
    wrong = [follower.follow(packet, piece) for packet, piece in readable(left)]
    return [text for text in wrong + [follower.end()] if text]
