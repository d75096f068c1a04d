#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Prints a pcapng file as JSON, and refuses what the format forbids.
#
#   pcapng.py FILE    prints {"comment", "interfaces", "packets", "statistics"}
#
# The blocks and options are those of draft-ietf-opsawg-pcapng. scapy of Debian 12 takes a
# comment only if it has a line feed, and tcpdump prints no comment.
#
# Exit status: 0 printed, 1 refused

import json
import struct
import sys

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
MAGIC = 0x1A2B3C4D
END, COMMENT = 0, 1


def check(condition, text):
    if not condition:
        sys.exit(f"pcapng.py: {text}")


def blocks(data):
    at = 0
    while at < len(data):
        check(len(data) - at >= 12, "a block is cut")
        kind, length = struct.unpack_from("=II", data, at)
        check(length % 4 == 0 and 12 <= length <= len(data) - at, f"length {length} of a block")
        (again,) = struct.unpack_from("=I", data, at + length - 4)
        check(again == length, f"lengths {length} and {again} of a block")
        yield kind, data[at + 8:at + length - 4]
        at += length


def padded(data, at, length):
    end = at + length + -length % 4
    check(end <= len(data), "a value is cut")
    check(not any(data[at + length:end]), "padding is not zero")
    return data[at:at + length], end


def options(data):
    found = {}
    at = 0
    while True:
        check(len(data) - at >= 4, "no end of options")
        code, length = struct.unpack_from("=HH", data, at)
        value, at = padded(data, at + 4, length)
        if code == END:
            check(length == 0 and at == len(data), "something follows the options")
            return found
        check(code not in found, f"two options {code}")
        found[code] = value


def text(value):
    return value.decode("utf-8") if value is not None else None


def number(value, kind):
    return struct.unpack(kind, value)[0] if value is not None else None


def add_section(file, body):
    magic, major, minor, length = struct.unpack_from("=IHHq", body)
    check(magic == MAGIC and (major, minor) == (1, 0) and length == -1, "header of the file")
    file["comment"] = text(options(body[16:]).get(COMMENT))


def add_interface(file, body):
    link, reserved, snaplen = struct.unpack_from("=HHI", body)
    found = options(body[8:])
    check(reserved == 0, "reserved field of an interface")
    file["interfaces"].append({
        "link": link, "snaplen": snaplen, "name": text(found.get(2)),
        "description": text(found.get(3)), "tsresol": number(found.get(9), "=B"),
    })


def add_packet(file, body):
    interface, high, low, captured, length = struct.unpack_from("=IIIII", body)
    check(interface < len(file["interfaces"]), "a packet before its interface")
    snaplen = file["interfaces"][interface]["snaplen"]
    check(captured <= length and captured <= snaplen, "lengths of a packet")
    data, end = padded(body, 20, captured)
    found = options(body[end:])
    file["packets"].append({
        "interface": interface, "time": high << 32 | low, "captured": captured,
        "length": length, "data": data.hex(), "comment": text(found.get(COMMENT)),
        "flags": number(found.get(2), "=I"),
    })


def add_statistics(file, body):
    interface, _, _ = struct.unpack_from("=III", body)
    check(interface < len(file["interfaces"]), "statistics before their interface")
    found = options(body[12:])
    file["statistics"].append({
        "interface": interface, "lost": number(found.get(7), "=Q"),
        "written": number(found.get(8), "=Q"),
    })


ADD = {SECTION: add_section, INTERFACE: add_interface, PACKET: add_packet,
       STATISTICS: add_statistics}


def main():
    file = {"interfaces": [], "packets": [], "statistics": []}
    with open(sys.argv[1], "rb") as stream:
        data = stream.read()
    check(data[:4] == struct.pack("=I", SECTION), "no pcapng file")
    for kind, body in blocks(data):
        check(kind in ADD, f"type {kind} of a block")
        ADD[kind](file, body)
    print(json.dumps(file))


main()
