"""A training loop on a real picture, from files to a test accuracy.

The picture is cut into pieces of 8 x 8 pixels, and a model learns to tell from a piece's colours
whether it is of the upper half (background and face) or of the lower (an orange suit). Every fourth
piece is kept from it, to see what it has learnt.

usage: example_train.py FOLDER, of tests/data/shards
"""

import os
import sys
import tempfile

import numpy
import torch

import multibuffer


def cut(shards, folder):
    """Writes the pieces and what half they are of as .npy, for training and for the test."""
    picture = numpy.asarray(multibuffer.open(os.path.join(shards, "rows_*.npy")))
    pieces = picture.reshape(32, 8, 32, 8, 3).transpose(0, 2, 4, 1, 3).reshape(1024, 3, 8, 8)
    lower = (numpy.arange(1024) >= 512).astype("i8")
    tested = numpy.arange(1024) % 4 == 1
    for name, chosen in (("train", ~tested), ("test", tested)):
        numpy.save(os.path.join(folder, f"{name}_pieces.npy"), pieces[chosen])
        numpy.save(os.path.join(folder, f"{name}_lower.npy"), lower[chosen])


def train(folder, epochs=30):
    """The loss of each batch, and the share of the test's pieces that the model is right about."""
    torch.manual_seed(0)
    # The guide shows the lines from here
    data = multibuffer.open({"x": f"{folder}/train_pieces.npy", "y": f"{folder}/train_lower.npy"})
    loader = data.batches(64, shuffle=True, dtype={"x": "float32"}, scale={"x": 1 / 255})
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), torch.nn.ReLU(), torch.nn.Flatten(),
                                torch.nn.Linear(16 * 6 * 6, 2))
    optimizer, losses = torch.optim.Adam(model.parameters(), 1e-3), []
    for _ in range(epochs):
        for batch in loader:
            loss = torch.nn.functional.cross_entropy(model(batch["x"]), batch["y"])
            optimizer.zero_grad(), loss.backward(), optimizer.step()
            losses.append(loss.item())
    # to here.
    test = multibuffer.open({"x": f"{folder}/test_pieces.npy", "y": f"{folder}/test_lower.npy"})
    with torch.no_grad():
        right = [(model(batch["x"]).argmax(1) == batch["y"]).float().mean().item()
                 for batch in test.batches(256, dtype={"x": "float32"}, scale={"x": 1 / 255})]
    return losses, sum(right) / len(right)


def main(shards):
    with tempfile.TemporaryDirectory() as folder:
        cut(shards, folder)
        return train(folder)


if __name__ == "__main__":
    found, accuracy = main(sys.argv[1])
    first, last = (sum(part) / 12 for part in (found[:12], found[-12:]))  # an epoch each
    print(f"loss {first:.2f} -> {last:.2f}, right about {accuracy:.0%} of new pieces")
