# SPDX-License-Identifier: GPL-2.0
#
# gnuplot -e "dir='build/6.1/bench'" bench/plots.gp: draw an SVG of each .dat file of
# report.py that is not empty. A block of the file is a series, and its first line is the
# name of the series.

set terminal svg size 800,480 dynamic font "sans-serif,13" background "white"
set grid
set key outside right top
set style data linespoints

has(name) = int(system("test -s ".dir."/".name.".dat && echo 1 || echo 0"))
file(name) = dir."/".name.".dat"
series(name) = int(system("grep -c '^\"' ".dir."/".name.".dat"))

if (has("rules")) {
	set output dir."/rules.svg"
	set title "UDP over IPv4: cost against the length of the list"
	set xlabel "rules, or flows in the set"
	set ylabel "instructions added to a packet"
	set logscale xy
	plot for [i=0:series("rules") - 1] file("rules") index i using 1:2 lw 2 title columnheader(1)
	unset logscale
}
set yrange [0:*]
if (has("programs")) {
	set output dir."/programs.svg"
	set title "Cost against programs on one hook"
	set xlabel "programs"
	plot for [i=0:series("programs") - 1] file("programs") index i using 1:2 lw 2 title columnheader(1)
}
if (has("sizes")) {
	set output dir."/sizes.svg"
	set title "UDP over IPv4: cost against the size of the packet"
	set xlabel "bytes, from the IP header on"
	plot for [i=0:series("sizes") - 1] file("sizes") index i using 1:2 lw 2 title columnheader(1)
}
if (has("fragments")) {
	set output dir."/fragments.svg"
	set title "UDP over IPv4: datagrams of 4 KB in three fragments"
	set xlabel "order of the fragments"
	set ylabel "instructions added to a datagram"
	set xrange [-0.5:3.5]
	set xtics ("in order" 0, "reversed" 1, "among 100" 2, "among 1,000" 3)
	plot for [i=0:series("fragments") - 1] file("fragments") index i using 1:2 lw 2 title columnheader(1)
}
if (has("bases")) {
	set output dir."/bases.svg"
	set title "UDP over IPv4, packets of 124 bytes: instructions added to a packet"
	unset xlabel
	set ylabel "instructions added to a packet"
	set style data histogram
	set style histogram clustered gap 1
	set style fill solid border rgb "black"
	set xrange [*:*]
	set xtics autofreq rotate by -35 noenhanced
	set key inside left top
	columns = int(system("head -n 1 ".dir."/bases.dat | grep -o '\"[^\"]*\"' | wc -l"))
	plot for [i=2:columns] file("bases") using i:xtic(1) title columnheader(i)
}
