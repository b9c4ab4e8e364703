#!/usr/bin/env python3
"""Makes the stored pictures and the values that the tests of dev.shortcut.resnet.image compare with.

Oracle: Pillow and torchvision (the versions used are written into the archive, entry versions.txt). Run by hand, never by
the build, and only after this script was changed:

    python3 resnet/src/test/python/make_pictures.py [OUTPUT_FOLDER]

Needs: numpy, Pillow with libjpeg-turbo, libtiff and libwebp, torchvision, and cjpeg and jpegtran (libjpeg-turbo).

    pictures.zip   the encoded files, every format and mode that a decoder has to know
    expected.zip   NAME.npy, uint8 HWC: Image.open(NAME).convert("RGB") ("16 bit": see keep_high_byte);
                   NAME@upright.npy where ImageOps.exif_transpose changes it
    resize.zip     resampling and cropping of pictures that are stored with them
    refused.zip    files that must be refused; the ones under truncated/ are cut versions of good ones, and Pillow, too,
                   refuses each of them
"""
import io
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import PIL
import torchvision
from PIL import Image, ImageOps, features
from torchvision.transforms import functional
from torchvision.transforms import InterpolationMode

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else
           Path(__file__).parent.parent / "resources/dev/shortcut/resnet/image")
SEED = 20260101
rng = np.random.default_rng(SEED)


def scene(w, h, channels=3):
    """Smooth colour, hard edges, a thin grid and a little noise: each shows another kind of mistake."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    planes = []
    for c in range(channels):
        p = 127 + 100 * np.sin((x * (c + 1) + y * (3 - c)) / 17.0 + c)
        p = np.where((x - w / 2) ** 2 + (y - h / 2) ** 2 < (min(w, h) / (2.2 + c)) ** 2, 255 - p, p)
        p = np.where((x.astype(int) % 11 == 3) & (y > h / 2), 40 * c + 20, p)
        planes.append(p)
    a = np.stack(planes, axis=-1) + rng.normal(0, 6, (h, w, channels))
    a = np.clip(np.rint(a), 0, 255).astype(np.uint8)
    return a[:, :, 0] if channels == 1 else a


W, H = 35, 27  # odd, no multiple of 8 or 16
RGB = scene(W, H)
GREY = scene(W, H, 1)
RGBA = scene(W, H, 4)
CMYK = scene(W, H, 4)

files = {}      # name -> encoded bytes
refused = {}    # name -> encoded bytes
high_byte = {}  # name -> uint8 array: where Pillow's conversion of 16 bit grey saturates, the high byte is expected


def saved(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def pipe(data, *command):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def ppm(a):
    if a.ndim == 2:
        return b"P5 %d %d 255\n" % (a.shape[1], a.shape[0]) + a.tobytes()
    return b"P6 %d %d 255\n" % (a.shape[1], a.shape[0]) + a.tobytes()


def exif(orientation, big_endian=False):
    e = ">" if big_endian else "<"
    tiff = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(e + "I", 8)
    tiff += struct.pack(e + "HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    return b"Exif\0\0" + tiff


# ---- JPEG

def segments(jpeg):
    """(marker, start, end) of each segment up to and including the first SOS."""
    at = 2
    while True:
        marker, length = jpeg[at + 1], struct.unpack(">H", jpeg[at + 2:at + 4])[0]
        yield marker, at, at + 2 + length
        if marker == 0xDA:
            return
        at += 2 + length


def without(jpeg, *markers):
    cut = [(s, e) for m, s, e in segments(jpeg) if m in markers]
    for s, e in reversed(cut):
        jpeg = jpeg[:s] + jpeg[e:]
    return jpeg


def with_segment(jpeg, marker, payload):
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload + jpeg[2:]


def adobe(transform):
    return b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform)


def patch_frame(jpeg, f):
    """f changes the SOF segment's bytes in place."""
    b = bytearray(jpeg)
    for m, s, e in segments(jpeg):
        if m in (0xC0, 0xC1, 0xC2):
            part = b[s:e]
            f(part)
            b[s:e] = part
    return bytes(b)


def rename_components(jpeg, ids):
    b = bytearray(jpeg)
    for m, s, e in segments(jpeg):
        if m in (0xC0, 0xC1, 0xC2):
            for i, n in enumerate(ids):
                b[s + 10 + 3 * i] = n
        if m == 0xDA:
            for i, n in enumerate(ids):
                b[s + 5 + 2 * i] = n
    return bytes(b)


def cjpeg(a, *options):
    return pipe(ppm(a), "cjpeg", *options)


def make_jpeg():
    for name, sampling in {"444": "1x1", "422": "2x1", "420": "2x2", "440": "1x2", "411": "4x1", "410": "4x2",
                           "odd": "2x2,1x2,2x1", "chroma-larger": "1x1,2x2,2x2"}.items():
        files[f"jpeg/{name}.jpg"] = cjpeg(RGB, "-quality", "85", "-sample", sampling)
        files[f"jpeg/progressive-{name}.jpg"] = cjpeg(RGB, "-quality", "85", "-sample", sampling, "-progressive")
    for quality in (1, 30, 75, 100):
        files[f"jpeg/quality-{quality}.jpg"] = cjpeg(RGB, "-quality", str(quality))
    files["jpeg/pillow.jpg"] = saved(Image.fromarray(RGB), "JPEG")
    files["jpeg/optimised.jpg"] = cjpeg(RGB, "-optimize")
    files["jpeg/restart-1-block.jpg"] = cjpeg(RGB, "-restart", "1B")
    files["jpeg/restart-1-row.jpg"] = cjpeg(RGB, "-restart", "1")
    files["jpeg/progressive-restart.jpg"] = cjpeg(RGB, "-progressive", "-restart", "2B")
    files["jpeg/grey.jpg"] = cjpeg(GREY)
    files["jpeg/progressive-grey.jpg"] = cjpeg(GREY, "-progressive")
    files["jpeg/grey-sampled-2x2.jpg"] = cjpeg(GREY, "-sample", "2x2")
    files["jpeg/stored-as-rgb.jpg"] = cjpeg(RGB, "-rgb", "-quality", "90")
    files["jpeg/smooth.jpg"] = cjpeg(scene(64, 64), "-smooth", "20", "-quality", "60")
    for w, h in ((1, 1), (1, 9), (9, 1), (2, 2), (3, 3), (8, 8), (15, 16), (16, 15), (16, 16), (17, 17), (33, 7)):
        files[f"jpeg/{w}x{h}.jpg"] = cjpeg(scene(w, h), "-quality", "90")
        files[f"jpeg/{w}x{h}-422.jpg"] = cjpeg(scene(w, h), "-quality", "90", "-sample", "2x1")
    scans = b"0;\n1;\n2;\n"
    with tempfile.NamedTemporaryFile() as script:
        script.write(scans)
        script.flush()
        files["jpeg/one-scan-per-component.jpg"] = cjpeg(RGB, "-scans", script.name)

    plain = cjpeg(RGB, "-quality", "85")
    bare = without(plain, 0xE0)
    files["jpeg/no-jfif.jpg"] = bare
    files["jpeg/no-jfif-444.jpg"] = without(files["jpeg/444.jpg"], 0xE0)
    files["jpeg/no-jfif-ids-0-1-2.jpg"] = rename_components(bare, (0, 1, 2))
    files["jpeg/no-jfif-ids-0-1-2-444.jpg"] = rename_components(without(files["jpeg/444.jpg"], 0xE0), (0, 1, 2))
    files["jpeg/no-jfif-ids-r-g-b.jpg"] = rename_components(bare, b"RGB")
    files["jpeg/no-jfif-ids-r-g-b-444.jpg"] = rename_components(without(files["jpeg/444.jpg"], 0xE0), b"RGB")
    files["jpeg/jfif-ids-r-g-b.jpg"] = rename_components(plain, b"RGB")
    files["jpeg/jfif-ids-7-8-9.jpg"] = rename_components(plain, (7, 8, 9))
    files["jpeg/no-jfif-ids-7-8-9-444.jpg"] = rename_components(without(files["jpeg/444.jpg"], 0xE0), (7, 8, 9))
    for t in (0, 1, 2):
        files[f"jpeg/adobe-transform-{t}.jpg"] = with_segment(bare, 0xEE, adobe(t))
        files[f"jpeg/adobe-transform-{t}-444.jpg"] = with_segment(
            without(files["jpeg/444.jpg"], 0xE0), 0xEE, adobe(t))
    files["jpeg/jfif-and-adobe-transform-0.jpg"] = with_segment(plain, 0xEE, adobe(0))
    files["jpeg/icc-profile.jpg"] = with_segment(plain, 0xE2, b"ICC_PROFILE\0\1\1" + rng.bytes(300))
    files["jpeg/comment.jpg"] = with_segment(plain, 0xFE, b"a comment")
    files["jpeg/trailing-bytes.jpg"] = plain + b"\0" * 100

    cmyk = Image.fromarray(CMYK, "CMYK")
    inverted = saved(cmyk, "JPEG", quality=90)
    files["jpeg/cmyk-adobe.jpg"] = inverted
    files["jpeg/cmyk-adobe-progressive.jpg"] = saved(cmyk, "JPEG", quality=90, progressive=True)
    files["jpeg/cmyk-no-adobe.jpg"] = without(inverted, 0xEE)
    files["jpeg/ycck.jpg"] = with_segment(without(inverted, 0xEE), 0xEE, adobe(2))
    files["jpeg/cmyk-adobe-transform-1.jpg"] = with_segment(without(inverted, 0xEE), 0xEE, adobe(1))

    small = cjpeg(scene(11, 7), "-quality", "90")
    for o in range(0, 10):
        files[f"jpeg/orientation-{o}.jpg"] = with_segment(small, 0xE1, exif(o, big_endian=o % 2 == 0))
    files["jpeg/orientation-broken-exif.jpg"] = with_segment(small, 0xE1, exif(6)[:-7])

    refused["jpeg/arithmetic.jpg"] = pipe(plain, "jpegtran", "-arithmetic")
    refused["jpeg/12-bit.jpg"] = patch_frame(plain, lambda p: p.__setitem__(4, 12))
    lossless = bytearray(plain)
    for m, s, e in segments(plain):
        if m == 0xC0:
            lossless[s + 1] = 0xC3
    refused["jpeg/lossless.jpg"] = bytes(lossless)

    def huge(p):
        p[5:9] = struct.pack(">HH", 65500, 65500)
    refused["jpeg/huge-header.jpg"] = patch_frame(plain, huge)

    def empty(p):
        p[5:9] = struct.pack(">HH", 0, 10)
    refused["jpeg/no-rows.jpg"] = patch_frame(plain, empty)
    for n in (2, 3, 20, len(plain) // 3, len(plain) // 2, len(plain) - 60, len(plain) - 2):
        refused[f"truncated/baseline-{n}.jpg"] = plain[:n]
    p = files["jpeg/progressive-420.jpg"]
    for n in (len(p) // 3, len(p) // 2, len(p) - 20):
        refused[f"truncated/progressive-{n}.jpg"] = p[:n]


# ---- PNG

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack(rows, bits):
    """rows: (h, samples) of integers, packed most significant first, each row to whole bytes."""
    if bits == 16:
        return rows.astype(">u2").view(np.uint8).reshape(rows.shape[0], -1)
    if bits == 8:
        return rows.astype(np.uint8)
    n = rows.shape[1]
    planes = ((rows[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1).reshape(rows.shape[0], n * bits)
    return np.packbits(planes.astype(np.uint8), axis=1)


def filtered(packed, bpp, row_filters):
    out = bytearray()
    previous = np.zeros(packed.shape[1], np.uint8)
    for i, row in enumerate(packed):
        kind = row_filters[i % len(row_filters)]
        left = np.concatenate([np.zeros(bpp, np.uint8), row])[:len(row)]
        corner = np.concatenate([np.zeros(bpp, np.uint8), previous])[:len(row)]
        a, b, c = (v.astype(int) for v in (left, previous, corner))
        if kind == 4:
            p = a + b - c
            pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
            guess = np.where((pa <= pb) & (pa <= pc), a, np.where(pb <= pc, b, c))
        else:
            guess = (np.zeros_like(a), a, b, (a + b) // 2)[kind]
        out.append(kind)
        out += (row.astype(int) - guess).astype(np.uint8).tobytes()
        previous = row
    return bytes(out)


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png(samples, bits, colour, interlaced=False, before=b"", between=b"", splits=1):
    """samples: (h, w, channels) of integers."""
    h, w, channels = samples.shape
    bpp = max(1, bits * channels // 8)

    def rows(part):
        return pack(part.reshape(part.shape[0], -1), bits)
    if interlaced:
        raw = b""
        for x0, y0, dx, dy in ADAM7:
            part = samples[y0::dy, x0::dx]
            if part.size:
                raw += filtered(rows(part), bpp, (0, 1, 2, 3, 4))
    else:
        raw = filtered(rows(samples), bpp, (0, 1, 2, 3, 4))
    data = zlib.compress(raw)
    step = -(-len(data) // splits)
    idat = b"".join(chunk(b"IDAT", data[i:i + step]) for i in range(0, len(data), step))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, interlaced))
            + before + idat + between + chunk(b"IEND", b""))


def make_png():
    def deep(channels):
        return rng.integers(0, 65536, (H, W, channels))

    def add(name, samples, bits, colour, **kw):
        for interlaced in (False, True):
            n = f"png/{name}{'-interlaced' if interlaced else ''}.png"
            files[n] = png(samples, bits, colour, interlaced, **kw)
            if bits == 16 and colour == 0:
                high_byte[n] = np.repeat((samples >> 8).astype(np.uint8), 3, axis=2)
    for bits in (1, 2, 4, 8):
        grey = (GREY >> (8 - bits))[:, :, None].astype(int)
        add(f"grey-{bits}", grey, bits, 0)
        palette = chunk(b"PLTE", rng.bytes(3 << bits))
        add(f"palette-{bits}", grey, bits, 3, before=palette)
        add(f"palette-{bits}-transparent", grey, bits, 3, before=palette + chunk(b"tRNS", rng.bytes(1 << bits)))
    add("grey-16", deep(1), 16, 0)
    add("grey-alpha-8", RGBA[:, :, 2:].astype(int), 8, 4)
    add("grey-alpha-16", deep(2), 16, 4)
    add("rgb-8", RGB.astype(int), 8, 2, splits=5)
    add("rgb-16", deep(3), 16, 2)
    add("rgba-8", RGBA.astype(int), 8, 6)
    add("rgba-16", deep(4), 16, 6)
    rgb = RGB.astype(int)
    for name, extra in {
            "rgb-transparent-colour": chunk(b"tRNS", struct.pack(">HHH", *(int(v) for v in RGB[3, 3]))),
            "rgb-gamma": chunk(b"gAMA", struct.pack(">I", 100000)),
            "rgb-srgb": chunk(b"sRGB", b"\0"),
            "rgb-icc": chunk(b"iCCP", b"x\0\0" + zlib.compress(rng.bytes(200))),
            "rgb-background": chunk(b"bKGD", struct.pack(">HHH", 9, 9, 9)),
            "rgb-significant-bits": chunk(b"sBIT", b"\5\5\5"),
            "rgb-suggested-palette": chunk(b"PLTE", rng.bytes(30)),
            "rgb-text": chunk(b"tEXt", b"k\0v") + chunk(b"zTXt", b"k\0\0" + zlib.compress(b"v" * 1000)),
            }.items():
        files[f"png/{name}.png"] = png(rgb, 8, 2, before=extra)
    files["png/grey-gamma.png"] = png(GREY[:, :, None].astype(int), 8, 0, before=chunk(b"gAMA", struct.pack(">I", 45455)))
    files["png/grey-transparent.png"] = png(GREY[:, :, None].astype(int), 8, 0, before=chunk(b"tRNS", b"\0\x21"))
    g16 = deep(1)
    files["png/grey-16-transparent.png"] = png(g16, 16, 0, before=chunk(b"tRNS", b"\x21\x21"))
    high_byte["png/grey-16-transparent.png"] = np.repeat((g16 >> 8).astype(np.uint8), 3, axis=2)
    files["png/palette-short.png"] = png((GREY % 10)[:, :, None].astype(int), 8, 3, before=chunk(b"PLTE", rng.bytes(30)))
    files["png/palette-index-past-the-end.png"] = png(
        (GREY % 20)[:, :, None].astype(int), 8, 3, before=chunk(b"PLTE", rng.bytes(30)))
    files["png/palette-8-mixed-with-text.png"] = png(
        GREY[:, :, None].astype(int), 8, 3,
        before=chunk(b"tEXt", b"k\0v") + chunk(b"PLTE", rng.bytes(768)) + chunk(b"hIST", b"\0\1" * 256))
    for w, h in ((1, 1), (1, 5), (5, 1), (2, 3), (7, 7)):
        for interlaced in (False, True):
            files[f"png/{w}x{h}{'-interlaced' if interlaced else ''}.png"] = png(scene(w, h).astype(int), 8, 2, interlaced)
    small = scene(11, 7).astype(int)
    for o in (1, 3, 6, 8):
        files[f"png/orientation-{o}.png"] = png(small, 8, 2, before=chunk(b"eXIf", exif(o)[6:]))
    files["png/orientation-6-after-data.png"] = png(small, 8, 2, between=chunk(b"eXIf", exif(6)[6:]))
    frames = [Image.fromarray(scene(20, 15)) for _ in range(3)]
    files["png/animated.png"] = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])

    plain = png(rgb, 8, 2)
    for n in (7, 20, 40, len(plain) // 2, len(plain) - 30):
        refused[f"truncated/{n}.png"] = plain[:n]
    palette = files["png/palette-8.png"]
    refused["truncated/palette.png"] = palette[:600]
    lace = files["png/rgb-8-interlaced.png"]
    refused["truncated/interlaced.png"] = lace[:len(lace) // 2]

    def header(w, h, bits=8, colour=2, lace=0):
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, lace)))
    refused["png/60000x60000.png"] = header(60000, 60000) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    refused["png/2147483647x2147483647.png"] = header(2**31 - 1, 2**31 - 1) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    refused["png/negative.png"] = header(2**32 - 1, 5) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    refused["png/zero.png"] = header(0, 5) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    refused["png/no-data.png"] = header(4, 4) + chunk(b"IEND", b"")
    refused["png/bad-colour-type.png"] = header(4, 4, colour=5) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    refused["png/bad-bit-depth.png"] = header(4, 4, bits=3) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    refused["png/palette-missing.png"] = header(4, 4, colour=3) + chunk(b"IDAT", zlib.compress(bytes(20))) + chunk(b"IEND", b"")
    damaged = bytearray(plain)
    damaged[len(plain) // 2] ^= 0x40
    refused["png/damaged.png"] = bytes(damaged)
    # The data is whole and only the sum that guards it is wrong.
    idat = plain.index(b"IDAT")
    length = struct.unpack(">I", plain[idat - 4:idat])[0]
    wrong = bytearray(plain)
    wrong[idat + 4 + length] ^= 1
    files["png/wrong-checksum.png"] = bytes(wrong)
    refused["png/huge-chunk-length.png"] = header(4, 4) + struct.pack(">I", 0x7FFFFFFF) + b"IDAT" + b"\0" * 10


# ---- GIF

def make_gif():
    palette = Image.fromarray(RGB).quantize(200)
    files["gif/palette.gif"] = saved(palette, "GIF", interlace=0)
    files["gif/interlaced.gif"] = saved(palette, "GIF", interlace=1)
    files["gif/grey.gif"] = saved(Image.fromarray(GREY), "GIF")
    files["gif/two-colours.gif"] = saved(Image.fromarray(GREY > 128), "GIF")
    files["gif/transparent.gif"] = saved(palette, "GIF", transparency=5)
    files["gif/1x1.gif"] = saved(Image.fromarray(scene(1, 1)).quantize(2), "GIF")
    for colours in (2, 3, 4, 7, 16, 33):
        files[f"gif/{colours}-colours.gif"] = saved(Image.fromarray(RGB).quantize(colours), "GIF")
    frames = [Image.fromarray(scene(20, 15)).quantize(50) for _ in range(3)]
    files["gif/animated.gif"] = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    noise = rng.integers(0, 256, (90, 120)).astype(np.uint8)  # fills the code table several times
    files["gif/noise.gif"] = saved(Image.fromarray(noise), "GIF")

    def one(screen, frame, at, table, data, *, local=None, control=b"", background=0, global_flag=True, version=b"89a"):
        """A GIF put together by hand; data: the frame's LZW bytes, taken from a picture of Pillow's."""
        bits = 7
        out = b"GIF" + version + struct.pack("<HHBBB", *screen, (0x80 | bits) if global_flag else 0, background, 0)
        if global_flag:
            out += table
        out += control
        out += b"," + struct.pack("<HHHHB", *at, *frame, (0x80 | bits) if local else 0) + (local or b"")
        return out + data + b";"

    # All 256 colours are in use, so that Pillow drops none and indices stay as they are.
    index = np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1).reshape(24, 32)
    image = Image.fromarray(index, "P")
    table = rng.bytes(768)
    image.putpalette(table)
    whole = saved(image, "GIF", interlace=0, optimize=False)
    start = Image.open(io.BytesIO(whole)).tile[0][2] - 1
    data = whole[start:-1]
    frame = (32, 24)
    control = lambda transparent: b"!\xf9\4\1\0\0" + bytes([transparent]) + b"\0"
    files["gif/whole-screen.gif"] = one(frame, frame, (0, 0), table, data)
    files["gif/version-87.gif"] = one(frame, frame, (0, 0), table, data, version=b"87a")
    files["gif/frame-inside-screen.gif"] = one((50, 40), frame, (7, 5), table, data, background=9)
    files["gif/frame-inside-screen-transparent.gif"] = one(
        (50, 40), frame, (7, 5), table, data, background=9, control=control(77))
    files["gif/frame-wider-than-screen.gif"] = one((10, 40), frame, (7, 5), table, data)
    files["gif/local-colours.gif"] = one((50, 40), frame, (7, 5), table, data, local=rng.bytes(768))
    files["gif/only-local-colours.gif"] = one(frame, frame, (0, 0), b"", data, local=table, global_flag=False)
    files["gif/no-colours.gif"] = one(frame, frame, (0, 0), b"", data, global_flag=False)
    files["gif/comment.gif"] = one(frame, frame, (0, 0), table, data, control=b"!\xfe\3abc\0")
    plain = files["gif/palette.gif"]
    for n in (5, 12, 100, len(plain) // 2, len(plain) - 300):
        refused[f"truncated/{n}.gif"] = plain[:n]
    refused["gif/huge-screen.gif"] = one((65535, 65535), frame, (0, 0), table, data)
    refused["gif/huge-frame.gif"] = one(frame, (65535, 65535), (0, 0), table, data)
    refused["gif/empty-frame.gif"] = one(frame, (0, 0), (0, 0), table, data)
    refused["gif/no-frame.gif"] = b"GIF89a" + struct.pack("<HHBBB", 5, 5, 0x80, 0, 0) + bytes(6) + b";"


# ---- BMP

def bmp(w, h, bits, rows, *, compression=0, header=40, masks=b"", palette=b"", top_down=False, colours=0):
    """rows: bytes of the pixel array as stored."""
    if header == 12:
        info = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, w, -h if top_down else h, 1, bits, compression, len(rows), 2835, 2835,
                           colours, 0)
        if header > 40:
            info += (masks + bytes(header))[:header - 40]
            masks = b""
    offset = 14 + len(info) + len(masks) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + info + masks + palette + rows


def lines(packed, top_down=False):
    pad = -packed.shape[1] % 4
    packed = np.pad(packed, ((0, 0), (0, pad)))
    return (packed if top_down else packed[::-1]).tobytes()


def make_bmp():
    def colours(n, size=4):
        table = rng.integers(0, 256, (n, size)).astype(np.uint8)
        if size == 4:
            table[:, 3] = 0
        return table.tobytes()
    for bits in (1, 4, 8):
        packed = pack(GREY.astype(int) >> (8 - bits), bits)
        files[f"bmp/palette-{bits}.bmp"] = bmp(W, H, bits, lines(packed), palette=colours(1 << bits))
        files[f"bmp/palette-{bits}-os2.bmp"] = bmp(W, H, bits, lines(packed), palette=colours(1 << bits, 3), header=12)
    files["bmp/palette-8-short.bmp"] = bmp(W, H, 8, lines(GREY % 10), palette=colours(10), colours=10)
    grey = np.arange(256, dtype=np.uint8)[:, None].repeat(4, 1)
    grey[:, 3] = 0
    files["bmp/grey-8.bmp"] = bmp(W, H, 8, lines(GREY), palette=grey.tobytes())
    files["bmp/black-and-white.bmp"] = bmp(W, H, 1, lines(pack(GREY.astype(int) >> 7, 1)), palette=b"\0\0\0\0\xff\xff\xff\0")
    files["bmp/white-and-black.bmp"] = bmp(W, H, 1, lines(pack(GREY.astype(int) >> 7, 1)), palette=b"\xff\xff\xff\0\0\0\0\0")
    bgr = RGB[:, :, ::-1].reshape(H, -1)
    files["bmp/rgb-24.bmp"] = bmp(W, H, 24, lines(bgr))
    files["bmp/rgb-24-top-down.bmp"] = bmp(W, H, 24, lines(bgr, True), top_down=True)
    files["bmp/rgb-24-os2.bmp"] = bmp(W, H, 24, lines(bgr), header=12)
    files["bmp/rgb-24-v4.bmp"] = bmp(W, H, 24, lines(bgr), header=108)
    files["bmp/rgb-24-v5.bmp"] = bmp(W, H, 24, lines(bgr), header=124)
    bgra = RGBA[:, :, (2, 1, 0, 3)].reshape(H, -1)
    files["bmp/rgb-32.bmp"] = bmp(W, H, 32, lines(bgra))
    files["bmp/rgb-32-top-down.bmp"] = bmp(W, H, 32, lines(bgra, True), top_down=True)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    files["bmp/bitfields-32-alpha.bmp"] = bmp(W, H, 32, lines(bgra), compression=3, header=124, masks=masks)
    files["bmp/bitfields-32.bmp"] = bmp(W, H, 32, lines(bgra), compression=3, masks=masks[:12])
    other = struct.pack("<IIII", 0xFF000000, 0xFF0000, 0xFF00, 0)
    files["bmp/bitfields-32-xbgr.bmp"] = bmp(W, H, 32, lines(bgra), compression=3, header=108, masks=other)
    five = rng.integers(0, 65536, (H, W)).astype("<u2")
    packed = five.view(np.uint8).reshape(H, -1)
    files["bmp/rgb-16.bmp"] = bmp(W, H, 16, lines(packed))
    files["bmp/bitfields-565.bmp"] = bmp(W, H, 16, lines(packed), compression=3,
                                         masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    files["bmp/bitfields-555.bmp"] = bmp(W, H, 16, lines(packed), compression=3,
                                         masks=struct.pack("<III", 0x7C00, 0x3E0, 0x1F))

    def rle8(rows):
        out = b""
        for row in rows[::-1]:
            i = 0
            while i < len(row):
                if (len(row) - i) >= 5 and i % 2:  # literal runs, odd lengths included
                    out += bytes([0, 5]) + row[i:i + 5].tobytes() + b"\0"
                    i += 5
                else:
                    n = 1
                    while i + n < len(row) and n < 255 and row[i + n] == row[i]:
                        n += 1
                    out += bytes([n, row[i]])
                    i += n
            out += b"\0\0"
        return out + b"\0\1"
    flat = (GREY // 40).astype(np.uint8)
    files["bmp/rle-8.bmp"] = bmp(W, H, 8, rle8(flat), compression=1, palette=colours(256))

    def rle4(rows):
        out = b""
        for row in rows[::-1]:
            i = 0
            while i < len(row):
                a, b = int(row[i]), int(row[min(i + 1, len(row) - 1)])
                n = 1
                while i + n < len(row) and n < 255 and row[i + n] == (a if n % 2 == 0 else b):
                    n += 1
                out += bytes([n, a << 4 | b])
                i += n
            out += b"\0\0"
        return out + b"\0\1"
    files["bmp/rle-4.bmp"] = bmp(W, H, 4, rle4(flat), compression=2, palette=colours(16))
    for w, h in ((1, 1), (3, 2)):
        files[f"bmp/{w}x{h}.bmp"] = saved(Image.fromarray(scene(w, h)), "BMP")
    plain = files["bmp/rgb-24.bmp"]
    for n in (10, 30, 54, len(plain) // 2, len(plain) - 50):
        refused[f"truncated/{n}.bmp"] = plain[:n]
    refused["bmp/huge.bmp"] = bmp(60000, 60000, 24, b"")
    refused["bmp/huge-rle.bmp"] = bmp(60000, 60000, 8, b"\0\1", compression=1, palette=colours(256))
    refused["bmp/zero.bmp"] = bmp(0, 5, 24, b"")
    refused["bmp/jpeg-inside.bmp"] = bmp(W, H, 24, b"\xff\xd8\xff", compression=4)


# ---- TIFF

def tiff(tags, strips, *, big_endian=False, big=False, tiled=False):
    """tags: number -> (type, values); strips: the strips' or tiles' bytes."""
    e = ">" if big_endian else "<"
    kinds = {1: "B", 3: "H", 4: "I", 16: "Q"}
    out = bytearray((b"MM" if big_endian else b"II") + struct.pack(e + "H", 43 if big else 42))
    out += struct.pack(e + "HHQ", 8, 0, 0) if big else struct.pack(e + "I", 0)
    offsets = []
    for s in strips:
        offsets.append(len(out))
        out += s + b"\0" * (len(s) % 2)
    tags = dict(tags)
    tags[324 if tiled else 273] = (4, offsets)
    tags[325 if tiled else 279] = (4, [len(s) for s in strips])
    entries = b""
    room = 8 if big else 4
    for number in sorted(tags):
        kind, values = tags[number]
        data = struct.pack(e + str(len(values)) + kinds[kind], *values)
        entries += struct.pack(e + ("HHQ" if big else "HHI"), number, kind, len(values))
        if len(data) <= room:
            entries += data.ljust(room, b"\0")
        else:
            entries += struct.pack(e + ("Q" if big else "I"), len(out))
            out += data + b"\0" * (len(data) % 2)
    ifd = len(out)
    out += struct.pack(e + ("Q" if big else "H"), len(tags)) + entries + bytes(room)
    struct.pack_into(e + ("Q" if big else "I"), out, 8 if big else 4, ifd)
    return bytes(out)


def plain_tags(w, h, bits, photometric, rows_per_strip, **more):
    tags = {256: (4, [w]), 257: (4, [h]), 258: (3, list(bits)), 259: (3, [1]), 262: (3, [photometric]),
            277: (3, [len(bits)]), 278: (4, [rows_per_strip])}
    for k, v in more.items():
        tags[int(k[1:])] = v
    return tags


def make_tiff():
    rgb = Image.fromarray(RGB)
    images = {
        "rgb": rgb, "grey": Image.fromarray(GREY), "rgba": Image.fromarray(RGBA),
        "palette": rgb.quantize(256), "cmyk": Image.fromarray(CMYK, "CMYK"),
        "grey-alpha": Image.fromarray(RGBA[:, :, 2:], "LA"),
    }
    for name, image in images.items():
        for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
            n = {None: "raw", "tiff_lzw": "lzw", "tiff_adobe_deflate": "deflate"}.get(compression, compression)
            files[f"tiff/{name}-{n}.tif"] = saved(image, "TIFF", compression=compression)
    files["tiff/rgb-old-deflate.tif"] = saved(rgb, "TIFF", compression="tiff_deflate")
    files["tiff/rgb-jpeg.tif"] = saved(rgb, "TIFF", compression="jpeg", quality=90)
    files["tiff/grey-jpeg.tif"] = saved(Image.fromarray(GREY), "TIFF", compression="jpeg", quality=90)
    files["tiff/rgb-lzw-predictor.tif"] = saved(rgb, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    files["tiff/rgb-deflate-predictor.tif"] = saved(rgb, "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 2})
    files["tiff/rgb-many-strips.tif"] = saved(rgb, "TIFF", compression="tiff_lzw", tiffinfo={278: 5})
    line = Image.fromarray(GREY > 128)
    for compression in ("raw", "group3", "group4", "tiff_ccitt", "packbits", "tiff_lzw"):
        files[f"tiff/one-bit-{compression}.tif"] = saved(
            line, "TIFF", **({} if compression == "raw" else {"compression": compression}))

    for big_endian in (False, True):
        e, tail = (">", "-big-endian") if big_endian else ("<", "")
        files[f"tiff/rgb-hand{tail}.tif"] = tiff(
            plain_tags(W, H, (8, 8, 8), 2, 10), [RGB[y:y + 10].tobytes() for y in range(0, H, 10)], big_endian=big_endian)
        deep = rng.integers(0, 65536, (H, W)).astype(e + "u2")
        n = f"tiff/grey-16{tail}.tif"
        files[n] = tiff(plain_tags(W, H, (16,), 1, H), [deep.tobytes()], big_endian=big_endian)
        high_byte[n] = np.repeat((deep >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
        deep = rng.integers(0, 65536, (H, W, 3)).astype(e + "u2")
        files[f"tiff/rgb-16{tail}.tif"] = tiff(plain_tags(W, H, (16,) * 3, 2, H), [deep.tobytes()], big_endian=big_endian)
        deep = rng.integers(0, 65536, (H, W, 4)).astype(e + "u2")
        files[f"tiff/rgba-16{tail}.tif"] = tiff(plain_tags(W, H, (16,) * 4, 2, H, _338=(3, [2])), [deep.tobytes()],
                                                big_endian=big_endian)
    files["tiff/rgb-planar.tif"] = tiff(plain_tags(W, H, (8, 8, 8), 2, H, _284=(3, [2])),
                                        [np.ascontiguousarray(RGB[:, :, c]).tobytes() for c in range(3)])
    across, down = -(-W // 16) * 16, -(-H // 16) * 16
    pad = np.zeros((down, across, 3), np.uint8)
    pad[:H, :W] = RGB
    tags = plain_tags(W, H, (8, 8, 8), 2, H, _322=(4, [16]), _323=(4, [16]))
    del tags[278]
    files["tiff/rgb-tiles.tif"] = tiff(
        tags, [np.ascontiguousarray(pad[y:y + 16, x:x + 16]).tobytes() for y in range(0, down, 16)
               for x in range(0, across, 16)],
        tiled=True)
    for bits in (1, 2, 4, 8):
        packed = pack(GREY.astype(int) >> (8 - bits), bits)
        files[f"tiff/white-is-zero-{bits}.tif"] = tiff(plain_tags(W, H, (bits,), 0, H), [packed.tobytes()])
        files[f"tiff/black-is-zero-{bits}.tif"] = tiff(plain_tags(W, H, (bits,), 1, H), [packed.tobytes()])
        table = rng.integers(0, 65536, 3 << bits).tolist()
        files[f"tiff/palette-{bits}.tif"] = tiff(plain_tags(W, H, (bits,), 3, H, _320=(3, table)), [packed.tobytes()])
    reverse = np.packbits(np.unpackbits(GREY[:, :, None], axis=2)[:, :, ::-1], axis=2)[:, :, 0]
    files["tiff/fill-order-2.tif"] = tiff(plain_tags(W, H, (8,), 1, H, _266=(3, [2])), [reverse.tobytes()])
    files["tiff/associated-alpha.tif"] = tiff(plain_tags(W, H, (8,) * 4, 2, H, _338=(3, [1])), [RGBA.tobytes()])
    files["tiff/unspecified-fourth.tif"] = tiff(plain_tags(W, H, (8,) * 4, 2, H, _338=(3, [0])), [RGBA.tobytes()])
    files["tiff/no-extra-samples-tag.tif"] = tiff(plain_tags(W, H, (8,) * 4, 2, H), [RGBA.tobytes()])
    files["tiff/1x1.tif"] = saved(Image.fromarray(scene(1, 1)), "TIFF")
    refused["tiff/bigtiff.tif"] = tiff(plain_tags(W, H, (8, 8, 8), 2, H), [RGB.tobytes()], big=True)
    frames = [Image.fromarray(scene(20, 15)) for _ in range(3)]
    files["tiff/pages.tif"] = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    small = scene(11, 7)
    for o in range(1, 9):
        files[f"tiff/orientation-{o}.tif"] = tiff(plain_tags(11, 7, (8, 8, 8), 2, 7, _274=(3, [o])), [small.tobytes()])
    plain = files["tiff/rgb-hand.tif"]
    for n in (6, 100, len(plain) // 2, len(plain) - 20):
        refused[f"truncated/{n}.tif"] = plain[:n]
    # The directory stands in front here, so that the cut falls into the pixels.
    packed = files["tiff/rgb-lzw.tif"]
    for name in ("raw", "lzw", "deflate", "packbits"):
        whole = files[f"tiff/rgb-{name}.tif"]
        refused[f"truncated/{name}.tif"] = whole[:len(whole) * 2 // 3]
    refused["tiff/float.tif"] = saved(Image.fromarray(GREY.astype(np.float32)), "TIFF")
    refused["tiff/32-bit.tif"] = saved(Image.fromarray(GREY.astype(np.int32)), "TIFF")
    refused["tiff/huge.tif"] = tiff(plain_tags(60000, 60000, (8, 8, 8), 2, 60000), [b"\0" * 10])
    refused["tiff/zero.tif"] = tiff(plain_tags(0, 5, (8, 8, 8), 2, 5), [b""])
    refused["tiff/offsets-outside.tif"] = tiff(plain_tags(W, H, (8, 8, 8), 2, H), [RGB.tobytes()[:100]])
    loop = bytearray(tiff(plain_tags(W, H, (8, 8, 8), 2, H), [b"\0" * 10]))
    refused["tiff/no-directory.tif"] = bytes(loop[:4]) + struct.pack("<I", 0)
    refused["tiff/bomb-rows.tif"] = tiff(plain_tags(60000, 60000, (1,), 1, 60000, _259=(3, [4])), [b"\0" * 10])


# ---- WebP

def riff(*chunks):
    body = b"WEBP" + b"".join(k + struct.pack("<I", len(d)) + d + b"\0" * (len(d) % 2) for k, d in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def make_webp():
    rgb, rgba = Image.fromarray(RGB), Image.fromarray(RGBA)
    for quality in (5, 50, 80, 100):
        files[f"webp/lossy-{quality}.webp"] = saved(rgb, "WEBP", quality=quality)
    files["webp/lossy-alpha.webp"] = saved(rgba, "WEBP", quality=80)
    files["webp/lossless.webp"] = saved(rgb, "WEBP", lossless=True)
    files["webp/lossless-alpha.webp"] = saved(rgba, "WEBP", lossless=True, exact=True)
    files["webp/lossless-palette.webp"] = saved(rgb.quantize(12).convert("RGB"), "WEBP", lossless=True)
    for w, h in ((1, 1), (2, 2), (3, 1), (1, 3), (16, 16), (17, 33)):
        files[f"webp/{w}x{h}.webp"] = saved(Image.fromarray(scene(w, h)), "WEBP", quality=90)
    small = Image.fromarray(scene(11, 7))
    for o in (1, 3, 6, 8):
        files[f"webp/orientation-{o}.webp"] = saved(small, "WEBP", quality=90, exif=exif(o))
    frames = [Image.fromarray(scene(20, 15)) for _ in range(3)]
    files["webp/animated.webp"] = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], quality=80)
    lossy = files["webp/lossy-80.webp"]
    files["webp/icc.webp"] = saved(rgb, "WEBP", quality=80, icc_profile=rng.bytes(200))
    # One frame at (4, 6) of a larger canvas.
    still = saved(Image.fromarray(scene(20, 15)), "WEBP", quality=80)
    payload = still[12:]
    frame = struct.pack("<I", 2)[:3] + struct.pack("<I", 3)[:3] + struct.pack("<I", 19)[:3] + struct.pack("<I", 14)[:3]
    frame += struct.pack("<I", 100)[:3] + b"\0" + payload
    canvas = b"\2\0\0\0" + struct.pack("<I", 39)[:3] + struct.pack("<I", 29)[:3]
    files["webp/frame-inside-canvas.webp"] = riff((b"VP8X", canvas), (b"ANIM", b"\1\2\3\4\0\0"), (b"ANMF", frame))
    for n in (11, 20, 40, len(lossy) // 2, len(lossy) - 20):
        refused[f"truncated/{n}.webp"] = lossy[:n]
    lossless = files["webp/lossless.webp"]
    refused["truncated/lossless.webp"] = lossless[:len(lossless) // 2]
    refused["webp/no-picture.webp"] = riff((b"VP8X", canvas))
    refused["webp/garbage.webp"] = riff((b"VP8 ", rng.bytes(200)))
    vp8 = bytearray(payload)
    at = vp8.index(b"\x9d\x01\x2a")
    struct.pack_into("<HH", vp8, at + 3, 16383, 16383)
    refused["webp/huge.webp"] = riff((b"VP8 ", bytes(vp8[8:])))


# ---- everything else that arrives under a picture's name

def make_others():
    refused["other/empty.jpg"] = b""
    refused["other/text.jpg"] = b"This is a text file that somebody named .jpg\n"
    refused["other/one-byte.png"] = b"\x89"
    refused["other/archive.png"] = b"PK\3\4" + bytes(100)
    refused["other/svg.png"] = b"<svg xmlns='http://www.w3.org/2000/svg' width='5' height='5'/>"
    refused["other/only-signature.png"] = b"\x89PNG\r\n\x1a\n"
    refused["other/only-signature.jpg"] = b"\xff\xd8\xff"
    refused["other/only-signature.gif"] = b"GIF89a"
    refused["other/only-signature.tif"] = b"II*\0"
    refused["other/only-signature.bmp"] = b"BM"
    refused["other/only-signature.webp"] = b"RIFF\0\0\0\0WEBP"


# ---- resampling and cropping

def make_resize():
    arrays = {}
    sources = {"scene": scene(53, 41), "noise": rng.integers(0, 256, (23, 19, 3)).astype(np.uint8),
               "edges": (rng.integers(0, 2, (20, 32, 3)) * 255).astype(np.uint8), "dot": scene(1, 1), "row": scene(37, 1),
               "column": scene(1, 29), "tiny": scene(3, 2)}
    for name, a in sources.items():
        arrays[f"source/{name}"] = a
    filters = {"nearest": Image.NEAREST, "box": Image.BOX, "bilinear": Image.BILINEAR, "hamming": Image.HAMMING,
               "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}
    for name, a in sources.items():
        h, w = a.shape[:2]
        image = Image.fromarray(a)
        for filter, code in filters.items():
            sizes = {(w, h), (w * 2, h), (w, h + 9), (max(1, w // 2), max(1, h // 3)), (1, 1), (w + 1, h + 1)}
            if name in ("scene", "noise"):
                sizes |= {(w - 1, h - 1), (7, 50), (50, 7), (16, 11)}
            for ow, oh in sorted(sizes):
                arrays[f"resize/{name}/{filter}/{ow}x{oh}"] = np.asarray(image.resize((ow, oh), code))
    modes = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR,
             "bicubic": InterpolationMode.BICUBIC}
    for name, a in sources.items():
        if name in ("dot", "edges"):
            continue
        image = Image.fromarray(a)
        for filter, mode in modes.items():
            for resize, crop in ((24, 20), (20, 24), (21, 16), (15, 15), (5, 9), (9, 4)):
                if max(a.shape) * resize // min(a.shape[:2]) > 800:
                    continue
                out = functional.center_crop(functional.resize(image, resize, mode), crop)
                arrays[f"prepare/{name}/{filter}/{resize}-{crop}"] = np.asarray(out)
    for name in ("tiny", "scene"):
        for crop in range(1, 9):
            out = functional.center_crop(Image.fromarray(sources[name]), crop)
            arrays[f"crop/{name}/{crop}"] = np.asarray(out)
    return arrays


# ---- writing

def archive(path, entries):
    """A zip whose bytes depend on the entries only."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for name in sorted(entries):
            out.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), entries[name], zipfile.ZIP_DEFLATED, 9)


def npy(a):
    out = io.BytesIO()
    np.save(out, np.ascontiguousarray(a))
    return out.getvalue()


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for make in (make_jpeg, make_png, make_gif, make_bmp, make_tiff, make_webp, make_others):
        make()
    expected = {}
    for name, data in sorted(files.items()):
        try:
            image = Image.open(io.BytesIO(data))
            upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
            plain = high_byte.get(name)
            if plain is None:
                plain = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        except Exception as e:
            sys.exit(f"{name}: Pillow cannot read it: {e!r}")
        expected[f"{name}.npy"] = npy(plain)
        # Pillow 9.4 turns a TIFF when it loads it and leaves the tag as it is, so that exif_transpose would turn it twice.
        if name not in high_byte and not name.startswith("tiff/") and not np.array_equal(plain, upright):
            expected[f"{name}@upright.npy"] = npy(upright)
    for name, data in sorted(refused.items()):
        try:
            Image.open(io.BytesIO(data)).convert("RGB")
        except Exception:
            continue
        print(f"note: Pillow reads {name}, which we refuse")
    versions = "\n".join([f"Pillow {PIL.__version__}", f"torchvision {torchvision.__version__}", f"numpy {np.__version__}"] + [
        f"{f} {features.version(f)}" for f in ("libjpeg_turbo", "libtiff", "webp", "zlib")]) + "\n"
    expected["versions.txt"] = versions.encode()
    archive(OUT / "pictures.zip", files)
    archive(OUT / "expected.zip", expected)
    archive(OUT / "refused.zip", refused)
    archive(OUT / "resize.zip", {f"{k}.npy": npy(v) for k, v in make_resize().items()})
    print(versions, f"{len(files)} pictures, {len(refused)} refused", sep="")
    for f in sorted(OUT.glob("*.zip")):
        print(f.name, f.stat().st_size)


main()
