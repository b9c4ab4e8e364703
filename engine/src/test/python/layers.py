"""Writes what PyTorch computes for single layers to ../resources/dev/shortcut/engine/backend/layers.txt.

Run with any PyTorch from 1.13 on; LayersAgainstPyTorchTest.java has the same cases under the same names. Inputs and weights
are small integers from a linear congruential sequence that Java repeats, so that all sums are exact.
"""

import pathlib

import torch
import torch.nn.functional as F

CASES = {}


def sequence(seed, *dims):
    """Integers from -3 to 3: bits 16 to 30 of x -> x * 1103515245 + 12345 (mod 2^31), mod 7, less 3."""
    count = 1
    for dim in dims:
        count *= dim
    x, values = seed, []
    for _ in range(count):
        x = (x * 1103515245 + 12345) % 2**31
        values.append((x >> 16) % 7 - 3)
    return torch.tensor(values, dtype=torch.float32).reshape(dims)


def case(name, shape, compute):
    CASES[name] = compute(sequence(1, 2, *shape))


def convolution(name, shape, out, kernel, bias=False, groups=1, **numbers):
    weight = sequence(2, out, shape[0] // groups, kernel, kernel)
    case(name, shape, lambda x: F.conv2d(x, weight, sequence(3, out) if bias else None, groups=groups, **numbers))


convolution("conv1x1", (5, 3, 4), 4, 1)
convolution("conv1x1 stride 2", (5, 5, 4), 4, 1, stride=2)
convolution("conv1x1 padded", (2, 3, 4), 3, 1, padding=1)
convolution("conv3x3 padded with bias", (3, 5, 4), 9, 3, bias=True, padding=1)
convolution("conv3x3 stride 2", (3, 6, 7), 4, 3, stride=2, padding=1)
convolution("conv7x7 stride 2", (3, 11, 9), 5, 7, stride=2, padding=3)
convolution("conv3x3 dilated", (2, 7, 6), 3, 3, padding=2, dilation=2)
convolution("conv3x3 grouped", (6, 4, 4), 9, 3, padding=1, groups=3)
convolution("conv3x3 depthwise", (5, 4, 5), 10, 3, padding=1, groups=5)
convolution("conv5x5 larger than the image", (3, 2, 1), 2, 5, padding=2)
case("max pool", (3, 7, 6), lambda x: F.max_pool2d(x, 3, 2, 1))
case("average pool", (3, 6, 5), lambda x: F.avg_pool2d(x, 2, 1, 1))
case("global average pool", (3, 4, 2), lambda x: F.adaptive_avg_pool2d(x, 1))
case("adaptive average pool down", (2, 9, 6), lambda x: F.adaptive_avg_pool2d(x, 4))
case("adaptive average pool up", (2, 2, 3), lambda x: F.adaptive_avg_pool2d(x, 5))
case("linear", (3, 2, 2), lambda x: F.linear(x.flatten(1), sequence(2, 11, 12), sequence(3, 11)))
case("softmax", (5, 2, 2), lambda x: F.softmax(x, 1))
case("relu", (2, 3, 3), F.relu)
case("subsample", (4, 5, 4), lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 3)))
case(
    "batch norm",
    (3, 2, 2),
    lambda x: F.batch_norm(x, sequence(4, 3), sequence(5, 3).abs() + 0.5, sequence(2, 3), sequence(3, 3), eps=1e-5),
)

target = pathlib.Path(__file__).parent / "../resources/dev/shortcut/engine/backend/layers.txt"
with target.resolve().open("w") as file:
    print(f"# by layers.py with PyTorch {torch.__version__}", file=file)
    for name, values in CASES.items():
        print(name, *values.shape[1:], sep="\t", file=file)
        print(*(f"{v:.9g}" for v in values.flatten().tolist()), file=file)
