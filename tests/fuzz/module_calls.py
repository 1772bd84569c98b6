"""Random calls of the Python module, in child processes: a crash, a hang or an undocumented exception
is a find. Each child makes the calls that follow from its seed, so that a find is there again:

    module_calls.py [--seconds S] [--calls N] [--seed FIRST] [--once]

Unlike tests/python/test_every_entry.py, whose arguments it takes, it varies several arguments at a
time, calls methods of what earlier calls returned, and compares results with NumPy's."""

import argparse
import faulthandler
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "python"))

import multibuffer
import test_every_entry as entries
from support import optional_import
from test_stubs import stubbed

numpy = optional_import("numpy")

# Addresses are trusted (SECURITY.md): what takes them gets right ones, and its results are read.
TRUSTING = {"from_pointers"}
# What waits for others, starts processes or opens whatever file a text names.
LEFT_OUT = {"open", "save", "torch", "batches", "progress", "__init__", "__getattr__", "devices"}


def stub_entries():
    """(class or "", name, parameters) of all that can be called."""
    for owner, members in stubbed().items():
        for name, overloads in members.items():
            is_property = overloads and any(getattr(each, "id", "") == "property"
                                            for each in overloads[0].decorator_list)
            if overloads and not is_property and name not in LEFT_OUT and (
                    not name.startswith("__") or name == "__getitem__"):
                yield owner, name, entries.parameters_of(overloads[0])


class Caller:
    def __init__(self, seed, log):
        self.random = random.Random(seed)
        self.walk = entries.Walk(log)
        self.values = [each for each in entries.hostile_values()
                       if not entries.ENDLESS.search(each[0])]
        self.objects = [each for objects in entries.subjects().values() for each in objects]
        self.entries = list(stub_entries())

    # ---- Arguments

    def number(self):
        return self.random.choice([0, 1, 2, 3, -1, -2, 5, 64, 2**31, -2**63, 2**63 - 1,
                                   self.random.randint(-9, 9), self.random.getrandbits(64)])

    def slice(self):
        return slice(*(self.random.choice([None, self.number()]) for _ in range(3)))

    def key(self):
        choices = [self.number, self.slice, lambda: None, lambda: ...,
                   lambda: [self.random.randint(-4, 4) for _ in range(self.random.randint(0, 4))]]
        if numpy:
            choices.append(lambda: numpy.array(
                [self.random.randint(-3, 3) for _ in range(self.random.randint(0, 6))],
                self.random.choice(["i8", "i4", "u1", "?", "f4"])))
        return tuple(self.random.choice(choices)() for _ in range(self.random.randint(0, 4)))

    def argument(self, entry, name):
        """(what it is, the value)."""
        chance = self.random.random()
        if chance < 0.45:
            return "as it should be", entries.valid(entry, name)
        if chance < 0.6:
            # Explanations are words, some of which messages must not have.
            value = self.random.choice([each for each in self.objects
                                        if "Explanation" not in type(each).__name__])
            return f"a {type(value).__name__}", value
        if chance < 0.75:
            value = self.random.choice([self.number, self.slice, self.key])()
            return entries.name_of(value), value
        text, make = self.random.choice(self.values)
        return text, make()

    # ---- Calls

    def call(self):
        owner, name, parameters = self.random.choice(self.entries)
        entry = f"{owner}.{name}" if owner else name
        if owner:
            of_class = [each for each in self.objects if type(each).__name__ == owner]
            if not of_class:
                return
            function = getattr(self.random.choice(of_class), name)
        else:
            function = getattr(multibuffer, name)
        if name == "__getitem__":
            key = self.key()
            self.make(entry, entries.name_of(key), lambda: function(key))
            return
        arguments, words, said = [], {}, ""
        for parameter, kind in parameters:
            text, value = (("as it should be", entries.valid(entry, parameter)) if name in TRUSTING
                           else self.argument(entry, parameter))
            if kind == "rest":
                arguments = [self.number() for _ in range(self.random.randint(0, 3))]
            elif not any(kind == "rest" for _, kind in parameters):
                words[parameter] = value
                said += f"{parameter}={text}, "
        self.make(entry, said, lambda: function(*arguments, **words))

    def make(self, entry, what, call):
        def called():
            result = call()
            if type(result).__module__ == "multibuffer":
                if len(self.objects) < 200:
                    self.objects.append(result)
                else:
                    self.objects[self.random.randrange(100, 200)] = result
            return result
        self.walk.check(entry, what, called)

    # ---- Against NumPy

    def compare(self):
        """An array and a request of it, by both."""
        choice = self.random
        shape = tuple(choice.randint(0, 5) for _ in range(choice.randint(1, 4)))
        dtype = choice.choice(["u1", "i2", "<f4", ">f4", "f8", "c8", "?"])
        size = int(numpy.prod(shape))
        flat = numpy.frombuffer(choice.randbytes(size * numpy.dtype(dtype).itemsize), dtype)
        if dtype == "?":
            flat = numpy.array([choice.random() < 0.5 for _ in range(size)], "?")
        expected = flat.reshape(shape)
        source = expected
        if shape[0] > 0 and len(shape) > 1 and choice.random() < 0.6:
            source = [numpy.array(part) for part in expected]  # rows behind pointers
        placement = choice.choice(["auto", "packed", "preserved"])
        array = multibuffer.upload(source, device="host", placement=placement,
                                   checked=choice.random() < 0.5)
        for _ in range(choice.randint(0, 3)):
            key = tuple(choice.choice([choice.randint(-6, 6), self.slice(), ..., None])
                        for _ in range(choice.randint(0, 3)))
            array, expected = self.both(f"[{key}]", lambda: array[key], lambda: expected[key],
                                        array, expected)
        # NumPy's take by mode "wrap" never ends along an axis of no entries, and gives arrays without
        # axes one.
        if expected.size == 0 or expected.ndim == 0:
            return self.same("the end", array, expected)
        axis = choice.randint(-3, 3)
        indices = [choice.randint(-6, 6) for _ in range(choice.randint(0, 5))]
        mode = choice.choice(["raise", "clip", "wrap"])
        if choice.random() < 0.6:
            array, expected = self.both(
                f"take({indices}, {axis}, {mode})",
                lambda: array.take(indices, axis=axis, mode=mode),
                lambda: numpy.take(expected, numpy.array(indices, "i8"), axis, mode=mode),
                array, expected)
        self.same("the end", array, expected)

    def both(self, what, ours, theirs, *before):
        """Does the same by both, which are refused together, and then are what they were before."""
        try:
            their = theirs()
        except (IndexError, ValueError):
            their = None
        try:
            our = ours()
        except (IndexError, ValueError) as error:
            if their is not None:
                self.walk.report(what, f"NumPy does it; here {error}")
            return before
        if their is None:
            self.walk.report(what, "NumPy refuses it")
            return before
        return our, numpy.asarray(their, before[1].dtype)  # of a scalar, the order of bytes is lost

    def same(self, what, array, expected):
        if not hasattr(array, "copy"):
            return
        shape, data = tuple(array.shape), array.copy().tobytes()
        if shape != expected.shape or data != expected.tobytes():
            self.walk.report(what, f"{shape} and not {expected.shape}, or other elements")


def child(seed, calls, log):
    faulthandler.enable()
    faulthandler.dump_traceback_later(120, exit=True)
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))  # for sizes that nobody has
    sys.unraisablehook = lambda _: None  # of exporters whose release raises
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(400)
    sys.path[:] = [os.path.abspath(each) for each in sys.path]
    caller = Caller(seed, log)
    with tempfile.TemporaryDirectory() as scratch:  # for what writes files under hostile names
        os.chdir(scratch)
        for number in range(calls):
            os.pwrite(caller.walk.log, b"comparison".ljust(300), 0)
            if numpy and number % 4 == 0:
                caller.compare()
            else:
                caller.call()
        os.chdir(os.sep)
    print(caller.walk.calls, "calls")
    print("\n".join(caller.walk.bad))
    return 1 if caller.walk.bad else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--calls", type=int, default=4000, help="of each seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--once", action="store_true", help="only this seed")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(options.seed, options.calls, options.child)
    began, seed, total, finds = time.monotonic(), options.seed, 0, 0
    while finds < 20:
        with tempfile.NamedTemporaryFile() as log:
            process = subprocess.run(
                [sys.executable, os.path.abspath(__file__), "--child", log.name, "--seed", str(seed),
                 "--calls", str(options.calls)], capture_output=True, text=True, errors="replace")
            last = log.read().decode(errors="replace").rstrip()
        total += options.calls
        if process.returncode != 0:
            finds += 1
            print(f"seed {seed}: status {process.returncode}\n{process.stdout[:3000]}\n"
                  f"{process.stderr[-2000:]}\nthe last call was {last}", flush=True)
        seed += 1
        if options.once or time.monotonic() - began > options.seconds:
            break
    print(f"{total} calls, seeds {options.seed} to {seed - 1}, {finds} finds")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
