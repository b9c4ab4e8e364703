"""The weights and inputs of random:SEED, bit for bit those of dev.shortcut.resnet.weights.RandomWeights, for PyTorch modules.

What is drawn how is written in that class; this is the same in NumPy. SplitMix64 adds a constant to its state each time, so
that a whole tensor is computed at once.
"""

import numpy as np
import torch
from torch import nn

MASK = (1 << 64) - 1


def uniform(seed, name, count):
    """The first multiples of 2^-24 in [0, 1) of the stream called so, in double."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 & MASK
    state ^= seed & MASK
    with np.errstate(over="ignore"):
        z = np.uint64(state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) * 2.0**-24


def fill(net, seed, last_norms):
    """Gives every parameter and statistic of a network its random:SEED values.

    last_norms: the batch norms that end the residual branches, one for each residual unit.
    """
    units = np.sqrt(np.float64(len(last_norms))) if last_norms else 1.0
    with torch.no_grad():
        for path, module in net.named_modules():
            for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
                if name == "num_batches_tracked":
                    continue
                full = f"{path}.{name}"
                u = uniform(seed, full, tensor.numel())
                if isinstance(module, nn.BatchNorm2d):
                    if name == "weight":
                        value = (0.75 + 0.5 * u) / (units if any(module is m for m in last_norms) else 1.0)
                    elif name == "running_var":
                        value = 0.75 + 0.75 * u
                    else:
                        value = (2 * u - 1) * 0.25
                elif name == "weight":
                    value = (2 * u - 1) * np.sqrt(6.0 / (tensor.numel() / tensor.shape[0]))
                else:
                    value = (2 * u - 1) * 0.1
                tensor.copy_(torch.from_numpy(value.astype(np.float32)).view(tensor.shape))
    return net.eval()


def images(seed, count, height, width):
    """Inputs in [-2, 2), NCHW; image i is the stream input{i}."""
    values = [((2 * uniform(seed, f"input{i}", 3 * height * width) - 1) * 2).astype(np.float32) for i in range(count)]
    return torch.from_numpy(np.stack(values)).view(count, 3, height, width)
