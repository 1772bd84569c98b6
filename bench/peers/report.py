"""Reports a run: a table a group, the goals missed, and plots."""


def rate(payload, seconds):
    """GB/s of payload."""
    return payload / seconds / 1e9


def is_there(side):
    return "missing" not in side and "failed" not in side


def broken(group, device, error):
    """A record of cases that could not even be made."""
    why = f"{type(error).__name__}: {error}".splitlines()[0]
    return {"group": group, "case": "cases", "device": device, "threads": 0, "payload": 0,
            "row_bytes": None, "sides": [{"name": "data", "goal": None, "failed": why}]}


def failures(run):
    """(record, side) of what went wrong."""
    return [(record, side) for record in run["records"] for side in record["sides"]
            if "failed" in side]


def met(side):
    return side["ratio"] >= side["goal"]


def verdict(side):
    """Returns how many times as fast multibuffer is as this side, and the goal."""
    goal = "" if side["goal"] is None else f", goal {side['goal']:g}: " + (
        "met" if met(side) else "**missed**")
    return f"{side['ratio']:.2f}x ({side['ratio_low']:.2f} to {side['ratio_high']:.2f}){goal}"


def brief(record):
    """One line for somebody who waits."""

    def cell(side):
        if not is_there(side):
            return f"{side['name']} {'FAILED' if 'failed' in side else 'missing'}"
        text = f"{side['name']} {rate(record['payload'], side['seconds']):.2f}"
        if side is record["sides"][0] or "ratio" not in side:
            return text + (f" ({side['of_limit']:.2f} of the limit)" if "of_limit" in side else "")
        short = "" if side["goal"] is None or met(side) else f" < {side['goal']:g}"
        return f"{text} ({side['ratio']:.2f}x{short})"

    return f"[{record['threads']}] {record['group']}: {record['case']}: GB/s " + ", ".join(
        map(cell, record["sides"]))


def title(machine):
    device = ""
    if "device" in machine:
        rate = machine.get("copy_bytes_per_second", 0) / 1e9
        device = f"{machine['device']} (a copy: {rate:.0f} GB/s read and written), "
    return (f"{device}{machine['processor']}, {machine['processors']} processors, "
            f"{machine['memory_bytes'] / 2**30:.0f} GiB, {machine['system']}, {machine['date']}, "
            f"commit {machine['commit']}")


def tables(run):
    """Every figure, in Markdown."""
    lines = ["# Peers, side by side", "", title(run["machine"]) + ".", "",
             ", ".join(f"{name} {version}" for name, version in run["versions"].items()) + ".", "",
             "GB/s of payload, medians. Beside them: how many times as fast multibuffer is, the",
             "median of the ratios of neighbouring runs, and their quartiles. The bits of every",
             "result were checked. Of the limit: of the least time that the bytes which must move take",
             "at the rate of a copy (bench/traffic.hpp).",
             "", goals(run)]
    groups = dict.fromkeys((record["group"], record["device"]) for record in run["records"])
    for group, device in groups:
        lines += ["", f"## {group}, {device}", "",
                  "| work | threads | side | GB/s | of the limit | multibuffer is |",
                  "|---|---|---|---|---|---|"]
        for record in run["records"]:
            if (record["group"], record["device"]) != (group, device):
                continue
            for i, side in enumerate(record["sides"]):
                work = f"{record['case']} | {record['threads']}" if i == 0 else " | "
                limit = f"{side['of_limit']:.2f}" if "of_limit" in side else ""
                if not is_there(side):
                    speed = "missing" if "missing" in side else "**failed**"
                    says = side.get("missing") or side["failed"]
                else:
                    speed = f"{rate(record['payload'], side['seconds']):.2f}"
                    says = verdict(side) if i > 0 and "ratio" in side else ""
                by_wall = "clock" in side and side["clock"] != record["sides"][0].get("clock")
                name = side["name"] + (f" ({side['clock']} clock)" if by_wall else "")
                lines.append(f"| {work} | {name} | {speed} | {limit} | {says} |")
    return "\n".join(lines) + "\n"


def judged(run):
    """(record, against what, ratio, goal) of each goal: against others, and against the limit."""
    for record in run["records"]:
        for side in filter(is_there, record["sides"]):
            if side.get("goal") is not None:
                yield record, side["name"], side["ratio"], side["goal"]
            if side.get("goal_of_limit") is not None and "of_limit" in side:
                yield record, "the limit", side["of_limit"], side["goal_of_limit"]


def goals(run, name_them=True):
    """Counts the goals, and lists those that were missed and what went wrong."""
    all_goals = list(judged(run))
    missed = [each for each in all_goals if each[2] < each[3]]
    lines = [f"{len(all_goals) - len(missed)} of {len(all_goals)} goals met."]
    if missed and name_them:
        lines += ["", "| missed | threads | against | ratio | goal |", "|---|---|---|---|---|"]
        lines += [f"| {r['group']}: {r['case']} | {r['threads']} | {against} | {ratio:.2f} "
                  f"| {goal:g} |" for r, against, ratio, goal in missed]
    failed = failures(run)
    if failed:
        lines += ["", f"{len(failed)} failed:"]
        lines += [f"- {r['group']}: {r['case']}: {s['name']}: {s['failed']}" for r, s in failed]
    return "\n".join(lines)


def compact(run):
    """A line a case: what ours reaches, and how many times as fast it is as each of the others."""
    lines = [f"{'':42} {'GB/s':>8} {'limit':>5}  multibuffer is so many times as fast as"]
    for record in run["records"]:
        first, *others = record["sides"]
        name = f"{record['group']}: {record['case']}"
        if is_there(first):
            limit = f"{first['of_limit']:5.2f}" if "of_limit" in first else " " * 5
            speed = f"{rate(record['payload'], first['seconds']):8.1f} {limit}"
        else:
            speed = f"{'FAILED':>14}" if "failed" in first else f"{'missing':>14}"
        cells = [f"{side['name']} " + (
            f"{side['ratio']:.2f}" if "ratio" in side else
            "FAILED" if "failed" in side else "missing" if "missing" in side else "?")
            for side in others]
        lines.append(f"{name:42} {speed}  " + ", ".join(cells))
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
        records = [record for record in run["records"]
                   if record["group"] == group and record["device"] == "host"]
        if records:
            figure = pyplot.figure(figsize=(10, 4.2))
            rates_by_row_size(figure, records)
            written.append(save(figure, folder / f"{group}.svg"))
    on_device = [record for record in run["records"] if record["device"] != "host"]
    for group in dict.fromkeys(record["group"] for record in on_device):
        records = [record for record in on_device if record["group"] == group]
        if group in ("rows", "in L2", "misaligned"):
            figure = pyplot.figure(figsize=(8.5, 4.2))
            limit_by_row_size(figure, records)
            written.append(save(figure, folder / f"limit-{group.replace(' ', '-')}.svg"))
    for group in ("scaling", "takes"):
        records = [record for record in run["records"] if record["group"] == group]
        if records:
            figure = pyplot.figure(figsize=(10, 4.2))
            time_by_rows(figure, records)
            written.append(save(figure, folder / f"{group}.svg"))
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
            if is_there(side):
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


def limit_by_row_size(figure, records):
    axes = figure.add_subplot()
    for name, points in lines_of(records).items():
        if all("of_limit" in side for _, side in points):
            draw(axes, name, [record["row_bytes"] for record, _ in points],
                 [side["of_limit"] for _, side in points])
    axes.set_xscale("log", base=2)
    axes.set_xlabel("bytes a row")
    axes.set_ylabel("of the limit")
    axes.set_ylim(bottom=0)
    axes.axhline(1, color="gray", linewidth=0.8)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))


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
