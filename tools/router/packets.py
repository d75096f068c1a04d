# SPDX-License-Identifier: GPL-2.0
"""Builds and reads IP packets and fragments.

It uses only modules of the standard library that load quickly. scapy takes ten
seconds to import in a guest without KVM.
"""

import socket
import struct

ETH_P_IP = 0x0800
ETH_P_ARP = 0x0806
ETH_P_IPV6 = 0x86DD

ECHO_REPLY = {1: 0, 58: 129}     # protocol: ICMP type
ICMP, TCP, UDP, ICMPV6, SCTP, UDPLITE = 1, 6, 17, 58, 132, 136
PROTO_NAMES = {ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPV6: "icmp6",
               SCTP: "sctp", UDPLITE: "udplite"}

HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(src, dst, proto, length):
    return (packed(src) + packed(dst)
            + struct.pack("!IHBB", length, 0, 0, proto))


def udp(src, dst, sport, dport, payload):
    """A UDP datagram with its checksum, without the IP header."""
    length = 8 + len(payload)
    header = struct.pack("!HHHH", sport, dport, length, 0)
    value = checksum(pseudo_header(src, dst, UDP, length) + header + payload) or 0xFFFF
    return header[:6] + struct.pack("!H", value) + payload


def echo_request(src, dst, ident):
    """A ping, as an IP packet."""
    if ":" not in src:
        header = struct.pack("!BBHHH", 8, 0, 0, ident, 1)
        value = checksum(header)
        return ipv4(src, dst, ICMP, header[:2] + struct.pack("!H", value) + header[4:])
    header = struct.pack("!BBHHH", 128, 0, 0, ident, 1)
    value = checksum(pseudo_header(src, dst, ICMPV6, len(header)) + header)
    return ipv6(src, dst, ICMPV6, header[:2] + struct.pack("!H", value) + header[4:])


def ipv4(src, dst, proto, data, ident=0, offset=0, more=False):
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), ident,
                         offset // 8 | (0x2000 if more else 0), 64, proto, 0)
    header += packed(src) + packed(dst)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + data


def ipv6(src, dst, proto, data, ident=None, offset=0, more=False):
    """An IPv6 packet, or a fragment if it has an ident."""
    if ident is not None:
        data = struct.pack("!BBHI", proto, 0, offset | more, ident) + data
        proto = FRAGMENT
    return (struct.pack("!IHBB", 6 << 28, len(data), proto, 64)
            + packed(src) + packed(dst)
            + data)


def fragments(src, dst, proto, data, sizes, ident):
    """Fragments of a datagram. The last size is used for all further fragments."""
    build = ipv6 if ":" in src else ipv4
    packets, offset = [], 0
    while offset < len(data):
        size = sizes[min(len(packets), len(sizes) - 1)]
        piece = data[offset:offset + size]
        packets.append(build(src, dst, proto, piece, ident, offset,
                             offset + size < len(data)))
        offset += size
    return packets


def ethernet(dst, src, packet, proto=None):
    if proto is None:
        proto = ETH_P_IPV6 if packet[0] >> 4 == 6 else ETH_P_IP
    return mac(dst) + mac(src) + struct.pack("!H", proto) + packet


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def arp_request(sender_mac, sender_ip, target_mac, target_ip):
    body = (struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, 1)
            + mac(sender_mac) + packed(sender_ip)
            + bytes(6) + packed(target_ip))
    return ethernet(target_mac, sender_mac, body, ETH_P_ARP)


def is_arp_reply(frame):
    return frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02"


class Packet:
    """The fields of one IP packet.

    data       bytes after the IP header, which reassembly puts together
    ident      identification, or None if the packet is not a fragment
    upper      protocol after the extension headers, or None if it is unknown
    sport      and dport: ports, or None
    """

    def __init__(self, src, dst, proto, data, ident=None, offset=0, more=False):
        self.src, self.dst, self.proto, self.data = src, dst, proto, data
        self.ident, self.offset, self.more = ident, offset, more
        self.upper = self.sport = self.dport = None

    @property
    def datagram(self):
        return (self.src, self.dst, self.proto, self.ident)

    @property
    def endpoints(self):
        return (self.upper or self.proto, self.src, self.sport, self.dst, self.dport)


def parse(frame):
    """A Packet from an Ethernet frame, or None if it holds no readable IP."""
    proto, packet = frame[12:14], frame[14:]
    try:
        if proto == b"\x08\x00":
            found = parse_ipv4(packet)
        elif proto == b"\x86\xdd":
            found = parse_ipv6(packet)
        else:
            return None
    except (struct.error, IndexError, ValueError):
        return None
    if found and not found.offset:
        parse_ports(found)
    return found


def parse_ipv4(packet):
    ihl = (packet[0] & 15) * 4
    total, ident, frag = struct.unpack_from("!HHH", packet, 2)
    if packet[0] >> 4 != 4 or ihl < 20 or total < ihl:
        return None
    offset, more = (frag & 0x1FFF) * 8, bool(frag & 0x2000)
    return Packet(socket.inet_ntop(socket.AF_INET, packet[12:16]),
                  socket.inet_ntop(socket.AF_INET, packet[16:20]),
                  packet[9], packet[ihl:total],
                  ident if offset or more else None, offset, more)


def parse_ipv6(packet):
    length, proto = struct.unpack_from("!HB", packet, 4)
    data = packet[40:40 + length]
    found = Packet(socket.inet_ntop(socket.AF_INET6, packet[8:24]),
                   socket.inet_ntop(socket.AF_INET6, packet[24:40]), proto, data)
    # These headers come before a fragment header, and every fragment has them.
    while found.proto in (HOP_BY_HOP, ROUTING, FRAGMENT):
        proto, size = found.data[0], 8
        if found.proto == FRAGMENT:
            frag, found.ident = struct.unpack_from("!HI", found.data, 2)
            found.offset, found.more = frag & 0xFFF8, bool(frag & 1)
        else:
            size += found.data[1] * 8
        found.proto, found.data = proto, found.data[size:]
        if found.offset:
            break
    return found


def parse_ports(packet):
    proto, data = packet.proto, packet.data
    while proto == DESTINATION and len(data) >= 8:
        proto, data = data[0], data[8 + data[1] * 8:]
    packet.upper = proto
    if proto in (TCP, UDP, SCTP, UDPLITE) and len(data) >= 4:
        packet.sport, packet.dport = struct.unpack_from("!HH", data)
