"""Threads that are at work when the interpreter ends: the process ends as if they were not there."""

import os
import subprocess
import sys
import time
import unittest

import multibuffer  # noqa: F401: where it is, so are the children's
from support import ALL_CASES, DEVICE, optional_import, require_device
from test_stubs import stubbed

numpy = optional_import("numpy")

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "data", "shards",
                    "rows_0.npy")

# Every thread repeats its work for ever, and the main thread goes in the middle of it.
PROGRAM = """
import array, ctypes, sys, threading, time
import multibuffer

DEVICE = {device!r}
rows = [bytes([i]) * 1000 for i in range(100)]
out = memoryview(bytearray(100_000)).cast("B", (100, 1000))
indices = memoryview(bytes(8 * 1000)).cast("q")

def upload(obj, **options):
    return multibuffer.upload(obj, device=DEVICE, **options)

a = upload(rows)
numbers = upload(array.array("i", range(20_000)))
result = a.copy()
floats = numbers.astype("f4")
r = multibuffer.reference(rows[:4])
plan = a.plan_copy()
unequal = [bytes([i]) * (i * 37 % 1000) for i in range(100)]
ragged = multibuffer.ragged(unequal, device=DEVICE)
rr = multibuffer.ragged_reference(unequal[:4])
pack_plan, pad_plan = ragged.plan_pack(), ragged.plan_pad()
FILE = {file!r}
files, both = multibuffer.open(FILE), multibuffer.open({{"a": FILE, "b": FILE}})
{setup}

def work():
    {work}

def loop():
    while True:
        work()

work()  # what is wrong with it shows here
for _ in range({threads}):
    threading.Thread(target=loop, daemon=True).start()
time.sleep({seconds})
"""

# Each call that releases the GIL, and each that runs Python code of others, where it changes hands.
WORK = {
    "upload of a list": "upload(rows)",
    "upload of a buffer": "upload(bytes(1000))",
    "upload of an array": "upload(a)",
    "upload in place": "upload(out, placement='in_place')" if DEVICE == "host" else "upload(out)",
    "upload and tobytes": "upload([bytes(1000)] * 100).tobytes()",
    "upload of a list with copies": "upload([out[::2], out[::-2]])",
    "update": "a.update(rows)",
    "update_pointers": ("k = upload(rows, keep_sources=True)", "k.update_pointers(rows[1:] + rows)"),
    "gather_in_pieces": "multibuffer.gather_in_pieces(rows, indices, device=DEVICE)",
    "progress": "a.copy(progress=lambda done, total: sum(range(300)))",
    "DeviceArray.__dlpack__": "a.__dlpack__(copy=True)",
    "an uploaded array's interface":
        "numbers.__array_interface__" if DEVICE == "host" else "numbers.__cuda_array_interface__",
    "memoryview of an uploaded array":
        "memoryview(numbers).release()" if DEVICE == "host" else "numbers.__dlpack__()",
    "through": "a.through(0, memoryview(bytes(400)).cast('i')).copy()" if DEVICE == "host" else
        "a.through(0, upload(memoryview(bytes(400)).cast('i')).copy()).copy()",
    "check_table": "a.check_table(0, upload(memoryview(bytes(400)).cast('i')).copy())",
    "take": "a.take(indices)",
    "take of many": "a.take(memoryview(bytes(8 * 200_000)).cast('q'))",
    "take of indices that are widened": "a.take(memoryview(bytes(2 * 60_000)).cast('h'))",
    "gather": "a.gather([indices, indices])",
    "index array": "a[indices]",
    "index list": "a[[1, 2, 3]]",
    "mask": "a[[True] * 100]",
    "copy": "a.copy()",
    "copy to out": "a.copy(out=out)",
    "copy in Fortran order": "a.copy('F')",
    "astype": "a.astype('f4')",
    "native": "a.native()",
    "reshape by a copy": "a[:, ::-1].reshape(-1, copy=True)",
    "tobytes": "a.tobytes()",
    "tolist": "a[:2].tolist()",
    "plan_copy": "a.plan_copy()",
    "plan_take": "a.plan_take(indices)",
    "plan_gather": "a.plan_gather([indices, indices])",
    "Plan.run": "plan.run()",
    "Plan.explain": "plan.explain(measure=True)",
    "PackPlan.explain": "ragged.plan_pack().explain(measure=True)",
    "PadPlan.explain": "ragged.plan_pad([3, 1, 3]).explain(measure=True)",
    "explain of rows": "multibuffer.explain(ragged, (3, 0))",
    "draw of rows": "multibuffer.draw(ragged).svg, ragged._repr_svg_()",
    "DeviceArray._repr_svg_": "a._repr_svg_()",
    "explain": "multibuffer.explain(rows, (1, 2)).dict()",
    "draw": "multibuffer.draw(rows, at=(1, 2)).svg",
    "Plan.result": "plan.result.tobytes()",
    "DeviceBuffer.synchronize": "result.synchronize()",
    "DeviceBuffer.tobytes": "result.tobytes()",
    "DeviceBuffer.tolist": "floats.tolist()",
    "DeviceBuffer.to_host": "result.to_host()",
    "DeviceBuffer.native": "result.native()",
    "DeviceBuffer.astype": "result.astype('f8')",
    "DeviceBuffer.__dlpack__": "result.__dlpack__()",
    "DeviceBuffer.__dlpack__ by a copy": "result.__dlpack__(copy=True)",
    "DeviceBuffer in a list": "upload([result, result])",
    "an interface":
        "result.__array_interface__" if DEVICE == "host" else "result.__cuda_array_interface__",
    "memoryview": "memoryview(result.to_host())",
    "reference.copy": "r.copy()",
    "reference.copy to out": "r.copy(out=out[:4])",
    "reference.copy in Fortran order": "r.copy('F')",
    "reference.take": "r.take([1, 0])",
    "reference.gather": "r.gather([[1, 0], [2, 3]])",
    "reference[]": "r[[0, 1]]",
    "reference.astype": "r.astype('f4')",
    "reference.tobytes": "r.tobytes()",
    "reference.tolist": "r[:1].tolist()",
    "verify": "multibuffer.verify(a, rows)",
    "verify of a reference": "multibuffer.verify(a[:4], r)",
    "verify within a tolerance": "multibuffer.verify(floats, floats, atol=1)",
    "ragged": "multibuffer.ragged(unequal, device=DEVICE)",
    "ragged packed": "multibuffer.ragged(unequal, device=DEVICE, placement='packed')",
    "ragged by offsets": "multibuffer.ragged(bytes(9), offsets=[0, 4, 9], device=DEVICE)",
    "RaggedArray.pack": "ragged.pack()",
    "RaggedArray.take": "ragged.take([3, 1, 3]).pack(dtype='f4')",
    "RaggedArray[]": "ragged[[3, 1, 3]], ragged[3].tobytes(), ragged[::2]",
    "RaggedArray.pad": "ragged.pad(fill=3)",
    "RaggedArray.pad of many": "ragged.pad(indices, length=9, truncate=True)",
    "RaggedArray.tolist": "ragged[1:9].tolist()",
    "RaggedArray.plan_pack": "ragged.plan_pack([1, 2])",
    "RaggedArray.plan_pad": "ragged.plan_pad()",
    "PackPlan.run": "pack_plan.run()",
    "PackPlan.result": "pack_plan.result.offsets.tobytes()",
    "PadPlan.run": "pad_plan.run()",
    "PadPlan.result": "pad_plan.result.tobytes()",
    "ragged_reference": "multibuffer.ragged_reference(unequal)",
    "RaggedReference.pack": "rr.pack()",
    "RaggedReference.pad": "rr.pad(fill=2)",
    "RaggedReference.tolist": "rr.tolist()",
    "verify of rows": "multibuffer.verify(ragged[:4], rr)",
    "devices": "multibuffer.devices()",
    "access": "multibuffer.access(None, a, writes=result).__enter__().__exit__(None, None, None)",
    "stack": "memoryview(multibuffer.stack(rows)).tobytes()",
    "Stack.copy": "multibuffer.stack(rows).copy()",
    "from_pointers": "multibuffer.from_pointers([ctypes.addressof(ctypes.c_char())], 1)",
    "open": "multibuffer.open(FILE)",
    "open a dict": "multibuffer.open({'a': FILE, 'b': FILE})",
    "file_formats": "multibuffer.file_formats()",
    "Dataset.take": "files.take([1, 2, 3])",
    "Dataset.__dask_tokenize__": "files.__dask_tokenize__()",
    "Dataset.gather": "files.gather([[1, 2], [3, 4]])",
    "Dataset.copy": "files.copy()",
    "Dataset.astype": "files.astype('f4')",
    "Dataset.upload": "files.upload()",
    "Dataset.reference": "files[:2, :9].reference()",
    "Dataset.tobytes": "files.tobytes()",
    "Dataset.tolist": "files[0, :2].tolist()",
    "Dataset in windows": "files.with_window(4096).on('host').copy()",
    "Dataset.reshape": "files.reshape((32, 256, 3))",
    "Datasets.take": "both.take([1, 2])",
    "Datasets.gather": "both.gather([[1, 2]], dtype='f4')",
    "Datasets.copy": "both.copy(out=both.copy())",
    "Datasets.upload": "both.upload()",
    "Datasets.reference": "both[:2].reference()",
    "Datasets.keys": "list(both.keys()), list(both.values()), list(both.items())",
    # Long enough for the work to look for signals, for which it takes the GIL.
    "long work": ("long = upload(bytes(1 << 22)).copy()", "multibuffer.verify(long, long, atol=1)"),
    # Python code of others.
    "DLPack in Python": ("""
class Tensor:
    def __dlpack_device__(self):
        sum(range(300))
        return host.__dlpack_device__()
    def __dlpack__(self, **words):
        sum(range(300))
        return host.__dlpack__(**words)
host = result.to_host()
tensors = [Tensor() for _ in range(20)]
""", "multibuffer.upload(tensors, device='host')"),
    "__index__ in Python": ("""
class Index:
    def __index__(self):
        return sum(range(1000)) % 100
""", "a[[Index()] * 50]"),
    "a word in Python": ("""
class Type:
    def __repr__(self):
        sum(range(1000))
        return 'torch.float32'
""", "a[:1].astype(Type())"),
    "owners in Python": ("""
class Owner:
    def __del__(self):
        sum(range(1000))
""", "[multibuffer.from_pointers([8], 1, owner=Owner()) for _ in range(20)]"),
}
if numpy:
    WORK.update({
        "numpy.asarray": ("import numpy", "numpy.asarray(a)" if DEVICE == "host" else "a.copy()"),
        "lists of numpy arrays": ("import numpy\narrays = [numpy.arange(9.0)] * 1000",
                                  "upload(arrays).copy()"),
        "batches": ("both = multibuffer.open({'a': FILE, 'b': FILE})",
                    "list(both.batches(3, shuffle=True, framework='numpy'))"),
        "batches and their place": ("batches = files.batches(3, framework='numpy')",
                                    "batches.load_state_dict(batches.state_dict())\n"
                                    "    next(iter(batches))"),
        "numpy.from_dlpack": ("import numpy\nhost = result.to_host()", "numpy.from_dlpack(host)"),
    })

# What moves no elements; the dunders are there by their operators.
QUICK = {"transpose", "element_view", "include_dir", "rows", "reference", "__len__", "__getitem__", "__array__", "__buffer__",
         "__contains__", "__iter__", "__dlpack_device__", "__reduce__", "__reduce_ex__", "__init__"}
# What needs torch, which takes seconds to import; what it does, it does by take().
QUICK |= {"torch"}

# With one to as many threads, or else with one of these numbers.
MOST_THREADS = 3
AT_ONCE = 4


def setUpModule():
    require_device()


class Endings(unittest.TestCase):
    def test_every_method_is_at_work(self):
        # Of what the stub lists; the rest neither releases the GIL nor runs for long.
        calls = " ".join(work if isinstance(work, str) else work[1] for work in WORK.values())
        for name in ("DeviceArray", "DeviceBuffer", "Plan", "Reference", "RaggedArray",
                     "RaggedReference", "PackPlan", "PadPlan", "Dataset", "Datasets",
                     "Batches", ""):
            for member, overloads in stubbed()[name].items():
                is_property = overloads and any(getattr(each, "id", "") == "property"
                                                for each in overloads[0].decorator_list)
                if overloads and not is_property and member not in QUICK:
                    self.assertRegex(calls, rf"\.{member}\(", f"{name}.{member}")

    def test_daemon_threads_end_with_the_process(self):
        waiting = [(name, threads) for number, name in enumerate(WORK)
                   for threads in range(1, MOST_THREADS + 1)
                   if ALL_CASES or (number + threads) % MOST_THREADS == 0]
        running = []
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                name, threads = waiting.pop()
                running.append((name, self.start(WORK[name], threads)))
            time.sleep(0.002)
            for name, process in running[:]:
                if process.poll() is None:
                    continue
                running.remove((name, process))
                with self.subTest(name):
                    message = process.communicate()[0]
                    self.assertEqual((process.returncode, message), (0, ""))

    def start(self, work, threads):
        setup, call = work if isinstance(work, tuple) else ("", work)
        program = PROGRAM.format(device=DEVICE, file=FILE, setup=setup, work=call, threads=threads,
                                 seconds=0.01 + 0.01 * threads)
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True,
                                   cwd=os.path.dirname(os.path.abspath(__file__)))
        self.addCleanup(process.kill)
        return process


if __name__ == "__main__":
    unittest.main()
