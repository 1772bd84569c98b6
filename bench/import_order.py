"""Imports modules in the order in which they are named, then uses both ours and torch.

usage: import_order.py MODULE MODULE
"""

import importlib
import sys

for name in sys.argv[1:]:
    module = importlib.import_module(name)
    print(name, getattr(module, "__version__", ""), module.__file__, flush=True)

import multibuffer  # noqa: E402
import torch  # noqa: E402

array = multibuffer.upload([b"abc", b"def"], device="cuda")
print("a result of multibuffer's:", array.take([1, 0]).tolist(), flush=True)
print("a sum of torch's:", torch.arange(5).sum().item(), flush=True)
if torch.cuda.is_available():
    print("torch, of a result:", torch.from_dlpack(array.take([1, 0])).tolist(), flush=True)
