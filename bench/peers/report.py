"""What a run says: a table a group, the goals missed, and plots."""


def rate(payload, seconds):
    """GB/s of payload."""
    return payload / seconds / 1e9


def met(side):
    return side["ratio"] >= side["goal"]


def verdict(side):
    """How many times as fast ours is as this side, and what was to be."""
    goal = "" if side["goal"] is None else f", goal {side['goal']:g}: " + (
        "met" if met(side) else "**missed**")
    return f"{side['ratio']:.2f}x ({side['ratio_low']:.2f} to {side['ratio_high']:.2f}){goal}"


def brief(record):
    """One line for somebody who waits."""
    sides = [side for side in record["sides"] if "missing" not in side]
    cells = [f"{side['name']} {rate(record['payload'], side['seconds']):.2f}" + (
        "" if i == 0 else f" ({side['ratio']:.2f}x" + (
            "" if side["goal"] is None or met(side) else f" < {side['goal']:g}") + ")")
        for i, side in enumerate(sides)]
    return f"[{record['threads']}] {record['group']}: {record['case']}: GB/s " + ", ".join(cells)


def title(machine):
    return (f"{machine['processor']}, {machine['processors']} processors, "
            f"{machine['memory_bytes'] / 2**30:.0f} GiB, {machine['system']}, {machine['date']}, "
            f"commit {machine['commit']}")


def tables(run):
    """Every figure, in Markdown."""
    lines = ["# Peers, side by side", "", title(run["machine"]) + ".", "",
             ", ".join(f"{name} {version}" for name, version in run["versions"].items()) + ".", "",
             "GB/s of payload, medians. Beside them: how many times as fast multibuffer is, the",
             "median of the ratios of neighbouring runs, and their quartiles. The bits of every",
             "result were checked.",
             "", goals(run)]
    groups = dict.fromkeys((record["group"], record["device"]) for record in run["records"])
    for group, device in groups:
        lines += ["", f"## {group}, {device}", "",
                  "| work | threads | side | GB/s | multibuffer is |", "|---|---|---|---|---|"]
        for record in run["records"]:
            if (record["group"], record["device"]) != (group, device):
                continue
            for i, side in enumerate(record["sides"]):
                work = f"{record['case']} | {record['threads']}" if i == 0 else " | "
                if "missing" in side:
                    speed, says = "missing", side["missing"]
                else:
                    speed = f"{rate(record['payload'], side['seconds']):.2f}"
                    says = verdict(side) if i > 0 else ""
                lines.append(f"| {work} | {side['name']} | {speed} | {says} |")
    return "\n".join(lines) + "\n"


def goals(run):
    """How many goals there are, and which were missed."""
    judged = [(record, side) for record in run["records"] for side in record["sides"]
              if side.get("goal") is not None and "missing" not in side]
    missed = [(record, side) for record, side in judged if not met(side)]
    lines = [f"{len(judged) - len(missed)} of {len(judged)} goals met."]
    if missed:
        lines += ["", "| missed | threads | against | ratio | goal |", "|---|---|---|---|---|"]
        lines += [f"| {r['group']}: {r['case']} | {r['threads']} | {s['name']} | {s['ratio']:.2f} "
                  f"| {s['goal']:g} |" for r, s in missed]
    return "\n".join(lines)


def plots(run, folder):
    """One picture for each group in which something grows; nothing without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        print("No plots: matplotlib is missing (python3-matplotlib)")
        return []
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "multibuffer"  # equal figures, equal files
    from matplotlib import pyplot

    written = []
    for group in ("rows", "fresh", "pages"):
        records = [record for record in run["records"] if record["group"] == group]
        if records:
            figure = pyplot.figure(figsize=(10, 4.2))
            rates_by_row_size(figure, records)
            written.append(save(figure, folder / f"{group}.svg"))
    records = [record for record in run["records"] if record["group"] == "scaling"]
    if records:
        figure = pyplot.figure(figsize=(10, 4.2))
        time_by_rows(figure, records)
        written.append(save(figure, folder / "scaling.svg"))
    return written


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    return path


def panels(figure, records):
    """An axes for each number of threads, with its records."""
    counts = sorted({record["threads"] for record in records})
    shared = None
    for i, threads in enumerate(counts):
        shared = axes = figure.add_subplot(1, len(counts), i + 1, sharey=shared)
        axes.set_title(f"{threads} thread{'s' if threads > 1 else ''}")
        axes.grid(alpha=0.3)
        yield axes, [record for record in records if record["threads"] == threads]


def lines_of(records):
    """Each side's records, in order, by its name."""
    lines = {}
    for record in records:
        for side in record["sides"]:
            if "missing" not in side:
                lines.setdefault(side["name"], []).append((record, side))
    return lines


def draw(axes, name, x, y):
    ours = name.startswith("multibuffer")
    axes.plot(x, y, marker="o", label=name, linewidth=2.5 if ours else 1.2,
              color="black" if ours else None, linestyle="--" if "," in name and ours else "-")


def rates_by_row_size(figure, records):
    for axes, panel in panels(figure, records):
        for name, points in lines_of(panel).items():
            draw(axes, name, [size_of(r["case"]) for r, _ in points],
                 [rate(r["payload"], s["seconds"]) for r, s in points])
        axes.set_xscale("log", base=2)
        axes.set_xlabel("bytes a row")
        axes.set_ylabel("GB/s of payload")
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=7)


def time_by_rows(figure, records):
    for axes, panel in panels(figure, records):
        for name, points in lines_of(panel).items():
            rows = [int(r["case"].split()[0]) for r, _ in points]
            draw(axes, name, rows, [1e9 * s["seconds"] / n for n, (_, s) in zip(rows, points)])
        axes.set_xscale("log")
        axes.set_xlabel("rows of 16 bytes")
        axes.set_ylabel("ns a row")
        axes.set_yscale("log")
        axes.legend(fontsize=7)


def size_of(case):
    """Bytes a row, from a case's name: '64 KiB rows of ...'."""
    number, unit = case.split()[:2]
    return int(number) * {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}[unit]
