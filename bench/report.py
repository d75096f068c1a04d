#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Makes a table, CSV and JSON of the lines that bench/guest.sh printed."""

import csv
import json
import os
import sys


def read_figures(path):
    """Rows of the file, each with the cost of the first case of its size taken off.

    instructions and added are instructions per packet.
    """
    rows = []
    baseline = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            name, size, packets, count = line.split("\t")
            each = int(count) / int(packets)
            baseline.setdefault(size, each)
            rows.append({"case": name, "bytes": int(size), "packets": int(packets),
                         "instructions": round(each, 1),
                         "added": round(each - baseline[size], 1)})
    return rows


def print_table(rows):
    print(f"{'case':24} {'bytes':>6} {'instructions':>13} {'added':>9}")
    for row in rows:
        print(f"{row['case']:24} {row['bytes']:6} {row['instructions']:13.1f} {row['added']:9.1f}")


def main():
    out = sys.argv[1]
    rows = read_figures(os.path.join(out, "figures.tsv"))
    if not rows:
        sys.exit("bench/report.py: figures.tsv: no figures")
    with open(os.path.join(out, "figures.csv"), "w", encoding="ascii", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with open(os.path.join(out, "figures.json"), "w", encoding="ascii") as file:
        json.dump(rows, file, indent=1)
        file.write("\n")
    print_table(rows)


main()
