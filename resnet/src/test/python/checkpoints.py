"""Writes the small PyTorch and safetensors files that the tests of dev.shortcut.resnet.weights read.

usage: python3 checkpoints.py FOLDER     FOLDER: src/test/resources/dev/shortcut/resnet/weights

Made with torch 1.13 (Debian's python3-torch). The files of torch.save are what users have; those below "by hand" are what
torch no longer writes, or never would. Element i of a tensor is ((7 i + length of the name) mod 31 - 15) / 8, which fp16 and
bfloat16 hold exactly, so that the test can tell every element without storing it.
"""

import collections
import io
import os
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import torch
from torch import nn

SHAPES = {
    "conv1.weight": (4, 3, 3, 3),
    "bn1.weight": (4,),
    "bn1.bias": (4,),
    "bn1.running_mean": (4,),
    "bn1.running_var": (4,),
    "fc.weight": (10, 4),
    "fc.bias": (10,),
}


def values(name, shape):
    count = torch.Size(shape).numel()
    return ((torch.arange(count) * 7 + len(name)) % 31 - 15).div(8.0).reshape(shape)


def network():
    """A module with these parameters, because its state dict brings what real ones bring: versions, batch counts."""
    net = nn.Sequential(
        collections.OrderedDict(
            conv1=nn.Conv2d(3, 4, 3, bias=False), bn1=nn.BatchNorm2d(4), fc=nn.Linear(4, 10)
        )
    )
    net.load_state_dict({name: values(name, shape) for name, shape in SHAPES.items()}, strict=False)
    return net


def strided():
    """Every element where it should be, but never one behind the other."""
    tensors = {}
    for name, shape in SHAPES.items():
        value = values(name, shape)
        if value.ndim == 4:
            value = value.contiguous(memory_format=torch.channels_last)
        elif value.ndim == 2:
            value = value.t().contiguous().t()
        else:
            value = torch.stack([torch.zeros_like(value), value], 1)[:, 1]
        assert not value.is_contiguous()
        tensors[name] = value
    return tensors


def shared():
    """All tensors in one storage, as after flattening the parameters."""
    flat = torch.cat([values(name, shape).flatten() for name, shape in SHAPES.items()])
    tensors, at = {}, 0
    for name, shape in SHAPES.items():
        count = torch.Size(shape).numel()
        tensors[name] = flat[at : at + count].view(shape)
        at += count
    return tensors


def real(folder):
    net = network()
    state = net.state_dict()
    torch.save(state, folder / "plain.pth")
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(state, folder / "protocol4.pth", pickle_protocol=4)
    torch.save(state, folder / "protocol5.pth", pickle_protocol=5)
    wrapped = collections.OrderedDict(("module." + k, v) for k, v in state.items())
    torch.save(wrapped, folder / "module.pth")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    checkpoint = {
        "epoch": 90,
        "arch": "tiny",
        "best_acc1": torch.tensor(76.5),
        "state_dict": wrapped,
        "milestones": {30, 60},
        "device": torch.device("cpu"),
        "dtype": torch.float32,
    }
    saved = {k: v.clone() for k, v in state.items()}
    optimizer.step()
    checkpoint["optimizer"] = optimizer.state_dict()
    net.load_state_dict(saved)
    torch.save(checkpoint, folder / "checkpoint.pth")
    torch.save(checkpoint, folder / "checkpoint-legacy.th", _use_new_zipfile_serialization=False)
    torch.save({"model": {"net": dict(state)}}, folder / "nested.pt")
    torch.save({k: nn.Parameter(v) for k, v in state.items() if v.is_floating_point()}, folder / "parameters.pth")
    for name, kind in dict(half=torch.half, bfloat16=torch.bfloat16, double=torch.double).items():
        torch.save({k: v.to(kind) for k, v in state.items()}, folder / f"{name}.pth")
    torch.save({k: v.mul(8).long() for k, v in state.items()}, folder / "long.pth")
    torch.save(strided(), folder / "strided.pth")
    torch.save(strided(), folder / "strided-legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(shared(), folder / "shared.pth")
    torch.save(net, folder / "whole-module.pth")
    torch.jit.script(nn.Sequential(nn.Linear(2, 2))).save(str(folder / "torchscript.pt"))


def archive(pickled, entries=(), compression=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as z:
        for name, content in (("archive/data.pkl", pickled), ("archive/version", b"3\n"), *entries):
            z.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return out.getvalue()


def legacy(pickled, keys=(), storages=b""):
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True, "protocol_version": 1001}]
    return b"".join(
        [*(pickle.dumps(p, 2) for p in parts), pickled, pickle.dumps(list(keys), 2), storages]
    )


class Call:
    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def storage_id(kind, key, count, view=b""):
    return b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu") + b"J" + struct.pack("<i", count) + view + b"tQ"


def tensor(storage, offset, size, stride):
    ints = lambda seq: b"(" + b"".join(b"J" + struct.pack("<i", i) for i in seq) + b"t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"J" + struct.pack("<i", offset) + ints(size) + ints(stride) + b"\x89ccollections\nOrderedDict\n)RtR"


def by_hand(folder):
    # PyTorch 0.3 knew storages that are parts of others.
    floats = struct.pack("<q6f", 6, 0, 1, 2, 3, 4, 5)
    view = b"(" + text("1") + b"K\x02K\x03t"
    old = b"\x80\x02}" + text("w") + tensor(storage_id("FloatStorage", "0", 6, view), 1, (2,), (1,)) + b"s."
    (folder / "view-legacy.pth").write_bytes(legacy(old, ["0"], floats))
    # Python 2 gives an OrderedDict its items as a list of lists, and its strings another opcode.
    old = b"\x80\x02ccollections\nOrderedDict\n]](U\x01w" + tensor(storage_id("FloatStorage", "0", 6, b"N"), 0, (2, 3), (3, 1)) + b"ea\x85R."
    (folder / "python2-legacy.pth").write_bytes(legacy(old, ["0"], floats))
    for name, expected in (("view", torch.tensor([3.0, 4.0])), ("python2", torch.arange(6.0).view(2, 3))):
        assert torch.equal(torch.load(folder / f"{name}-legacy.pth")["w"], expected)
    # A machine of the other byte order writes an entry that says so (since torch 2.1).
    big = b"\x80\x02}" + text("w") + tensor(storage_id("FloatStorage", "0", 3), 0, (3,), (1,)) + b"s."
    (folder / "big-endian.pth").write_bytes(
        archive(big, [("archive/byteorder", b"big"), ("archive/data/0", struct.pack(">3f", 1.5, -2, 3e30))])
    )


def hostile(folder):
    run = pickle.dumps({"w": Call(os.system, "touch owned")}, 2)
    (folder / "os-system.pth").write_bytes(archive(run))
    (folder / "os-system-legacy.pth").write_bytes(legacy(run))
    (folder / "eval.pth").write_bytes(archive(pickle.dumps(Call(eval, "1 + 1"), 4)))
    (folder / "getattr.pth").write_bytes(archive(pickle.dumps(Call(getattr, torch.Size, "__class__"), 2)))
    # Ten thousand million elements out of forty bytes: lists of lists, each twice in the next.
    laughs = b"\x80\x02]" + b"".join(b"q" + bytes([i]) + b"0](h" + bytes([i]) + b"h" + bytes([i]) + b"e" for i in range(200)) + b"."
    (folder / "laughs.pth").write_bytes(archive(laughs))
    grown = b"\x80\x02](" + b"K\x01" * 20000 + b"eq\x00" + b"0" + b"c__builtin__\nset\nh\x00\x85R0" * 200 + b"N."
    (folder / "copies.pth").write_bytes(archive(grown))
    (folder / "deep.pth").write_bytes(archive(b"\x80\x02)" + b"\x85" * 50000 + b"."))
    (folder / "deep-key.pth").write_bytes(archive(b"\x80\x02})" + b"\x85" * 20000 + b"Ns."))
    expanded = b"\x80\x02}" + text("w") + tensor(storage_id("FloatStorage", "0", 1), 0, (2**31 - 1, 2**31 - 1), (0, 0)) + b"s."
    (folder / "expanded.pth").write_bytes(archive(expanded, [("archive/data/0", bytes(4))]))
    outside = b"\x80\x02}" + text("w") + tensor(storage_id("FloatStorage", "0", 2), 1, (2,), (1,)) + b"s."
    (folder / "outside.pth").write_bytes(archive(outside, [("archive/data/0", bytes(8))]))
    short = b"\x80\x02}" + text("w") + tensor(storage_id("FloatStorage", "0", 1000), 0, (1000,), (1,)) + b"s."
    (folder / "short.pth").write_bytes(archive(short, [("archive/data/0", bytes(8))]))
    escape = b"\x80\x02}" + text("w\x1b]0;owned\x07") + tensor(storage_id("FloatStorage", "0", 1), 0, (1,), (1,)) + b"s."
    (folder / "terminal.pth").write_bytes(archive(escape, [("archive/data/0", bytes(4))]))
    (folder / "path.pth").write_bytes(archive(short.replace(text("0"), text("../../../etc/passwd"))))
    (folder / "bomb.pth").write_bytes(archive(short, [("archive/data/0", bytes(20_000_000))], zipfile.ZIP_DEFLATED))
    (folder / "integer.pth").write_bytes(archive(b"\x80\x02\x8b\xff\xff\xff\x7f\x01."))
    (folder / "string.pth").write_bytes(archive(b"\x80\x02\x8d" + b"\xff" * 8 + b"x."))


def main():
    folder = Path(sys.argv[1])
    torch.manual_seed(1)
    real(folder)
    by_hand(folder)
    hostile(folder)
    print(f"torch {torch.__version__}: {sum(f.stat().st_size for f in folder.iterdir()):,} bytes in {folder.name}")


if __name__ == "__main__":
    main()
