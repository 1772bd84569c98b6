"""Figures of the device benchmarks: a table, and with --plot an SVG of the fraction of the limit.

usage: device_table.py FILE.json ... [--plot PLOT.svg]
"""

import argparse
import json
import pathlib


def benchmarks_of(path):
    """A program that was stopped leaves half a file: the benchmarks that are whole."""
    try:
        text = path.read_text()
    except OSError:
        return []
    try:
        return json.loads(text).get("benchmarks", [])
    except ValueError:
        pass
    whole, decoder = [], json.JSONDecoder()
    at = text.find("[", text.find('"benchmarks"'))
    while (at := text.find("{", at)) >= 0:
        try:
            benchmark, at = decoder.raw_decode(text, at)
        except ValueError:
            break
        whole.append(benchmark)
    return whole


def rows_of(path):
    """(series, row bytes, payload in GB/s, fraction of the limit, times by name) of each benchmark
    that ran."""
    for benchmark in benchmarks_of(path):
        if benchmark.get("error_occurred"):
            yield benchmark["name"], None, None, None, {}
            continue
        parts = [part for part in benchmark["name"].split("/")
                 if part not in ("manual_time", "real_time") and "iterations:" not in part]
        size = int(parts.pop()) if parts[-1].isdigit() else None
        rate = benchmark.get("payload", benchmark.get("bytes_per_second"))
        # Times, which are numbered in their order: device_phases_bench's stages, what a call takes.
        stages = {name[2:]: benchmark[name] for name in sorted(benchmark)
                  if name[0].isdigit() and name[1:2] == "_"}
        yield "/".join(parts), size, rate and rate / 1e9, benchmark.get("of_limit"), stages


def duration(seconds):
    return f"{1e3 * seconds:.2f} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.2f} us"


def table(rows):
    lines = [f"{'case':44} {'row bytes':>10} {'GB/s':>9} {'of limit':>9}"]
    for name, size, rate, fraction, stages in rows:
        if rate is None and not stages:
            lines.append(f"{name:44} {'wrong bits, or none':>30}")
            continue
        speed = f"{rate:9.2f}" if rate is not None else ""
        shown = f"{fraction:9.3f}" if fraction is not None else ""
        lines.append(f"{name:44} {size if size is not None else '':>10} {speed:9} {shown:9} " +
                     ", ".join(f"{stage} {duration(seconds)}"
                               for stage, seconds in stages.items()))
    return "\n".join(line.rstrip() for line in lines)


def plot(rows, path):
    """Fraction of the limit over row size, a line for each series with two points or more."""
    from xml.sax.saxutils import escape
    import math

    series = {}
    for name, size, _, fraction, _ in rows:
        if size and fraction is not None:
            series.setdefault(name, []).append((size, fraction))
    series = {name: sorted(points) for name, points in series.items() if len(points) > 1}
    if not series:
        return False
    width, height, left, top = 720, 420, 50, 20
    sizes = [size for points in series.values() for size, _ in points]
    low, high = math.log2(min(sizes)), math.log2(max(sizes))
    highest = max(1.0, *(fraction for points in series.values() for _, fraction in points))

    def x(size):
        return left + (math.log2(size) - low) / ((high - low) or 1) * width

    def y(fraction):
        return top + (1 - fraction / highest) * height

    colours = ["#1b6ca8", "#d1495b", "#2e8b57", "#e08e0b", "#6a4c93", "#555555", "#00a6a6",
               "#b5651d", "#8a8d00", "#c71585"]
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 260}" '
           f'height="{top + height + 40}" font-family="sans-serif" font-size="11">',
           f'<rect width="100%" height="100%" fill="white"/>']
    for step in range(0, 11, 2):
        at = y(step / 10)
        svg.append(f'<path d="M{left} {at:.1f}h{width}" stroke="#ddd"/>'
                   f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{step / 10}</text>')
    for power in range(math.ceil(low), math.floor(high) + 1, 2):
        svg.append(f'<text x="{x(2 ** power):.1f}" y="{top + height + 16}" '
                   f'text-anchor="middle">{2 ** power}</text>')
    svg.append(f'<text x="{left + width / 2}" y="{top + height + 34}" text-anchor="middle">'
               'row bytes (fraction of the limit upwards)</text>')
    for number, (name, points) in enumerate(series.items()):
        colour = colours[number % len(colours)]
        dash = ' stroke-dasharray="5 3"' if number >= len(colours) else ""
        path_data = " ".join(f"{x(size):.1f},{y(fraction):.1f}" for size, fraction in points)
        at = top + 10 + 16 * number
        svg.append(f'<polyline points="{path_data}" fill="none" stroke="{colour}"{dash}/>'
                   f'<text x="{left + width + 12}" y="{at}" fill="{colour}">{escape(name)}</text>')
    svg.append("</svg>")
    path.write_text("\n".join(svg) + "\n")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path)
    options = parser.parse_args()
    rows = [row for path in options.files for row in rows_of(path)]
    if rows:
        print()
        print(table(rows))
    if options.plot and plot(rows, options.plot):
        print(options.plot)


if __name__ == "__main__":
    main()
