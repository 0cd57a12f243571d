"""Writes images/: small pictures as PNG and JPEG; and transformed.png: what torchvision's evaluation
transform makes of each with Pillow, before it is normalised, one below the other in the order of
their names. crates/cli/tests/program/images.rs compares.

    python -m pip install torch torchvision pillow numpy
    python tests/golden/images.py

Everything is drawn from one seed. Versions are in images/versions.txt.
"""

from pathlib import Path

import numpy
import PIL
import torch
import torchvision
from PIL import Image, features
from torchvision.transforms import functional as F
from torchvision.transforms._presets import ImageClassification

HERE = Path(__file__).parent / "images"
CAT = Path(__file__).parents[2] / "assets" / "chelsea.png"


def noise(width, height, levels=(0, 255)):
    """As much contrast as there can be."""
    return Image.fromarray(draw.choice(numpy.array(levels, numpy.uint8), (height, width, 3)))


def lines(width, height):
    """Lines of one pixel, which alias if the resize is not antialiased."""
    pixels = numpy.zeros((height, width, 3), numpy.uint8)
    pixels[::7] = 255
    pixels[:, ::5, 1] = 255
    pixels[:, ::3, 2] = 200
    return Image.fromarray(pixels)


def grid(width, height):
    pixels = numpy.zeros((height, width, 3), numpy.uint8)
    pixels[::41] = 255
    pixels[:, ::37] = 255
    return Image.fromarray(pixels)


def ramp(width, height):
    row, column = numpy.mgrid[:height, :width]
    channels = row * 255 // height, column * 255 // width, (row + column) * 255 // (height + width)
    return Image.fromarray(numpy.stack(channels, -1).astype(numpy.uint8))


def pngs():
    """Shapes: one whose scaled sides are odd, so that the middle is rounded; enlarged and reduced,
    in one direction or both; nothing to scale at all; a single row. Then kinds of PNG."""
    noise(45, 61).convert("L").save(HERE / "noise_45x61.png")
    noise(3, 2, range(256)).save(HERE / "noise_3x2.png")
    lines(640, 427).convert("L").save(HERE / "lines_640x427.png")
    lines(256, 256).save(HERE / "lines_256x256.png")
    lines(256, 301).save(HERE / "lines_256x301.png")
    noise(40, 1).save(HERE / "noise_40x1.png")
    grid(260, 600).save(HERE / "tall_260x600.png")  # from Pillow 13 on columns first, as resize.rs says
    ramp(224, 224).save(HERE / "ramp_224x224.png")

    small = ramp(12, 9)
    small.convert("L").save(HERE / "kind_grey.png")
    small.quantize(16).save(HERE / "kind_palette.png", bits=4, transparency=3)
    small.convert("1").save(HERE / "kind_one_bit.png")
    alpha = Image.fromarray(draw.integers(0, 256, (9, 12), numpy.uint8))
    clear = small.copy()
    clear.putalpha(alpha)
    clear.save(HERE / "kind_alpha.png")
    clear.convert("LA").save(HERE / "kind_grey_alpha.png")


def jpegs():
    cat = Image.open(CAT).convert("RGB").crop((40, 20, 121, 83))
    cat.save(HERE / "cat.jpg", quality=90)
    small = cat.resize((41, 32))
    small.save(HERE / "cat_444.jpg", quality=95, subsampling=0)
    small.save(HERE / "cat_progressive_422.jpg", quality=60, subsampling=1, progressive=True)
    small.convert("L").save(HERE / "cat_grey.jpg", quality=90)
    tiny = cat.resize((17, 23), box=(0, 0, 45, 61))
    tiny.convert("CMYK").save(HERE / "cat_cmyk.jpg", quality=90)
    turned = Image.Exif()
    turned[0x0112] = 6  # orientation: to be turned by 90 degrees, which the transform does not do
    tiny.save(HERE / "cat_turned.jpg", quality=90, exif=turned)
    noise(7, 10).save(HERE / "noise.jpg", quality=80)


def transformed(path):
    """What ImageClassification has of this file before it normalises."""
    image = Image.open(path).convert("RGB")
    image = F.resize(image, [256], antialias=True)
    image = F.center_crop(image, [224])
    whole = ImageClassification(crop_size=224, resize_size=256)(Image.open(path).convert("RGB"))
    tensor = F.convert_image_dtype(F.pil_to_tensor(image), torch.float)
    assert torch.equal(whole, F.normalize(tensor, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    return image


def normalised():
    """Each value of each channel, normalised: 3 x 256, f32."""
    values = Image.fromarray(numpy.arange(256, dtype=numpy.uint8)[None, :, None].repeat(3, 2))
    tensor = F.convert_image_dtype(F.pil_to_tensor(values), torch.float)
    tensor = F.normalize(tensor, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    return tensor[:, 0].numpy()


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    draw = numpy.random.default_rng(20161116)
    pngs()
    jpegs()
    inputs = [path for path in sorted(HERE.glob("*.???")) if path.suffix in (".png", ".jpg")]
    expected = [transformed(path) for path in sorted([*inputs, CAT], key=lambda path: path.name)]
    Image.fromarray(numpy.concatenate(expected)).save(HERE.parent / "transformed.png", optimize=True)
    numpy.save(HERE.parent / "normalised.npy", normalised())
    versions = (
        f"pillow {PIL.__version__} with libjpeg-turbo {features.version('libjpeg_turbo')}, "
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, numpy {numpy.__version__}\n"
    )
    (HERE / "versions.txt").write_text(versions)
