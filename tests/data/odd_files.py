"""Image files of many kinds, small ones."""

import io

import numpy as np
from PIL import Image


def noise(seed, size=(24, 17)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3))
    small = Image.fromarray(pixels.astype("uint8")).resize((9, 7))
    return small.resize(size, Image.Resampling.BICUBIC)


def turned(orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    return {"exif": exif}


def files():
    """Contents of image files of many kinds, by their names."""
    image = noise(0)
    clear = image.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(image.size))
    frames = {"save_all": True, "append_images": [noise(9)]}
    grey16 = np.asarray(image.convert("L")).astype("uint16") * 257
    kinds = {
        **{f"turned{i}.jpg": (noise(i), "JPEG", turned(i)) for i in (3, 6, 7)},
        "wide.jpg": (noise(4, (333, 31)), "JPEG", {"quality": 95}),
        "high.jpg": (noise(5, (15, 40)), "JPEG", {"progressive": True}),
        "grey.jpg": (image.convert("L"), "JPEG", {}),
        "cmyk.jpg": (image.convert("CMYK"), "JPEG", {}),
        "alpha.png": (clear, "PNG", {}),
        "turned.png": (image, "PNG", turned(8)),
        "palette.png": (image.quantize(16), "PNG", {"transparency": 3}),
        "16.png": (Image.fromarray(grey16), "PNG", {}),
        "moving.gif": (image, "GIF", frames),
        "plain.bmp": (image, "BMP", {}),
        "photo.webp": (image, "WEBP", turned(6)),
    }
    contents = {}
    for name, (photo, kind, options) in kinds.items():
        file = io.BytesIO()
        photo.save(file, kind, **options)
        contents[name] = file.getvalue()
    return contents


FILES = files()
