"""Sentences of unequal length, a list of NumPy arrays, as one padded batch of torch's.

usage: example_pad.py
"""

import numpy
import torch

import multibuffer


def batch_of(sentences):
    """Token numbers, as long as the longest sentence, and which of them are padding."""
    array = multibuffer.ragged(sentences)                # where the arrays lie: nothing is copied
    tokens = array.pad(fill=-1, dtype="int64")           # one pass: rows, padding and conversion
    return torch.from_dlpack(tokens), torch.from_dlpack(tokens) == -1


def flattened(sentences):
    """The same without padding, as flash-attention takes it: values, cu_seqlens, max_seqlen."""
    array = multibuffer.ragged(sentences)
    values, offsets = array.pack(dtype="int64", offsets_dtype="int32")
    return torch.from_dlpack(values), torch.from_dlpack(offsets), array.longest


def main():
    random = numpy.random.default_rng(0)
    sentences = [random.integers(0, 9999, length, dtype="u2") for length in (5, 0, 12, 3)]
    tokens, is_padding = batch_of(sentences)
    values, cu_seqlens, longest = flattened(sentences)
    assert torch.equal(tokens[~is_padding], values)
    return tokens, cu_seqlens, longest


if __name__ == "__main__":
    batch, ends, most = main()
    print(tuple(batch.shape), ends.tolist(), most)
