"""Images resized by TensorFlow, with the pixels that Pillow gives them.

`center_square` is `center_crop` bit for bit, so that training evaluates on the
pixels that `evaluate` and `classify` see, without a wait for Python's lock.
"""

import functools
from enum import IntEnum

import tensorflow as tf

BICUBIC = -0.5  # Pillow's parameter of the cubic kernel.
REACH = 2  # Of the kernel, in pixels of the coarser image.
FRACTION_BITS = 22  # Of Pillow's weights.
LOW_BITS = 7  # Of these the ones that are added up by themselves.
BLOCK = 8  # Rows of the result that are computed by one matrix product.
STRIP = 256  # Rows that are held in 32 bits at a time, at most.
SMALL_SIDE = 64  # Pixels, up to which `resize_crops` is faster.


class Filter(IntEnum):
    """How a crop is resized; the last two without antialiasing."""

    BILINEAR = 0
    BICUBIC = 1
    ALIASED_BILINEAR = 2
    NEAREST = 3


def center_square(image, size):
    """The middle square of an upright image, as `center_crop` cuts it out.

    It takes uint8 `[H, W, 3]` and returns uint8 `[size, size, 3]`.
    """
    sides = tf.shape(image)[:2]
    resized = sides * size // tf.reduce_min(sides)
    # Half a pixel is rounded to the even one.
    corner = tf.cast(tf.round((resized - size) / 2), tf.int32)

    def cut():
        top, left = tf.unstack(corner)
        return image[top : top + size, left : left + size]

    def resize():
        return resize_window(image, resized, corner, size)

    square = tf.cond(tf.reduce_all(resized == sides), cut, resize)
    return tf.ensure_shape(square, [size, size, 3])


# Its graph is built once for all pipelines.
@tf.function(autograph=False)
def resize_window(image, sides, corner, size):
    """A square window of Pillow's bicubic, antialiased resizing.

    Args:
        image: uint8 `[H, W, 3]`.
        sides: int32 `[2]`, the height and width that all of it would get.
        corner: int32 `[2]`, top and left of the window in the resized image.
        size: The window's height and width.
    """
    weights, places = axis_weights(tf.shape(image)[:2], sides, corner, size)
    # Of the image only what the window sees.
    first = tf.reduce_min(places, [1, 2])
    height, width = tf.unstack(tf.reduce_max(places, [1, 2]) - first + 1)
    places -= first[:, None, None]
    image = tf.slice(image, [*tf.unstack(first), 0], [height, width, 3])
    # Strips of rows bound the memory: columns are computed in 32 bits.
    strips = -(-height // STRIP)
    count = -(-height // strips)
    rows = tf.reshape(image, [height, 3 * width])
    rows = tf.pad(rows, [[0, strips * count - height], [0, 0]])

    def narrow(strip):
        columns = tf.reshape(tf.transpose(strip), [width, 3 * count])
        columns = weighted_rows(columns, weights[1], places[1], size)
        return tf.transpose(tf.reshape(columns, [3 * size, count]))

    narrowed = tf.map_fn(
        narrow,
        tf.reshape(rows, [strips, count, 3 * width]),
        parallel_iterations=1,
        fn_output_signature=tf.TensorSpec([None, 3 * size], tf.uint8),
    )
    rows = tf.reshape(narrowed, [strips * count, 3 * size])
    rows = weighted_rows(rows, weights[0], places[0], size)
    return tf.reshape(rows, [size, size, 3])


def axis_weights(before, after, first, count):
    """Pillow's weights of rows, and of columns, in those of a resized image.

    Args:
        before, after: int32 `[2]`, height and width of the whole image before
            and after resizing.
        first: int32 `[2]`, the first row and column that are computed.
        count: How many are computed of each.

    Returns:
        `(weights, places)`: float32 `[2, blocks, 2 * BLOCK, L]`, as
        `weighted_rows` takes them; and int32 `[2, blocks, L]`, the rows and
        columns that they are for.
    """
    blocks = -(-count // BLOCK)
    before, after, first = (x[:, None, None] for x in (before, after, first))
    scale = tf.cast(before, tf.float64) / tf.cast(after, tf.float64)
    stretch = tf.maximum(scale, 1)
    row = tf.reshape(tf.range(blocks * BLOCK), [blocks, BLOCK]) + first
    centers = (tf.cast(row, tf.float64) + 0.5) * scale
    starts = tf.cast(centers - REACH * stretch + 0.5, tf.int32)
    ends = tf.cast(centers + REACH * stretch + 0.5, tf.int32)
    starts, ends = tf.maximum(starts, 0), tf.minimum(ends, before)
    longest = tf.reduce_max(ends[..., -1] - starts[..., 0])
    places = starts[..., :1] + tf.range(tf.maximum(longest, 1))
    place = places[..., None, :]
    distance = tf.cast(place, tf.float64) - centers[..., None] + 0.5
    distance = tf.abs(distance) / stretch[..., None]
    inside = (place >= starts[..., None]) & (place < ends[..., None])
    weights = tf.where(inside, cubic(distance), 0)
    total = tf.reduce_sum(weights, -1, keepdims=True)
    # Rows beyond `count` fill the last block, and may see no pixel.
    weights = tf.math.divide_no_nan(weights, total) * 2**FRACTION_BITS
    weights = tf.sign(weights) * tf.floor(tf.abs(weights) + 0.5)
    return split(weights), tf.clip_by_value(places, 0, before - 1)


def cubic(distance):
    """The cubic kernel at distances from 0 on."""
    a = BICUBIC
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = (((distance - 5) * distance + 8) * distance - 4) * a
    return tf.where(distance < 1, near, tf.where(distance < REACH, far, 0))


def split(weights):
    """Whole numbers as two parts, with which 32 bits compute exactly.

    The first is the number divided by `2**LOW_BITS` and rounded, the second
    the fraction that rounding took away. Sums of up to 1,024 products with
    levels then have at most 24 bits, as many as a float32 holds. That is
    enough to make an image 256 times smaller.
    """
    shifted = weights * 2.0**-LOW_BITS
    high = tf.round(shifted)
    return tf.cast(tf.concat([high, shifted - high], -2), tf.float32)


def weighted_rows(rows, weights, places, count):
    """Sums of rows, as Pillow computes them in whole numbers.

    They are exact, in whatever order they are added.

    It takes uint8 `[before, M]` and of one axis what `axis_weights` returns,
    and returns uint8 `[count, M]`.
    """
    levels = tf.cast(tf.gather(rows, places), tf.float32)
    high, low = tf.split(tf.matmul(weights, levels), 2, 1)
    bits = FRACTION_BITS - LOW_BITS
    sums = high + tf.floor(low) + 2 ** (bits - 1)
    levels = tf.cast(tf.clip_by_value(sums * 2.0**-bits, 0, 255), tf.uint8)
    return tf.reshape(levels, [-1, tf.shape(rows)[1]])[:count]


def resize_crops(images, rectangles, size, filters):
    """Crops of small images of one size, each as by `resize_crop`.

    One matrix product for all of them: at 32 pixels it takes a tenth of the
    time, and above `SMALL_SIDE` longer.

    Args:
        images: uint8 `[N, H, W, 3]`.
        rectangles: int32 `[N, 4]`: top, left, height and width in pixels.
        size: Height and width of the results, in pixels.
        filters: A `Filter` for each, int32 `[N]`.

    Returns:
        uint8 `[N, size, size, 3]`, within a level of `resize_crop`.
    """
    top, left, height, width = tf.unstack(rectangles, axis=1)
    rows = resize_rows(images, top, height, size, filters)
    columns = tf.transpose(rows, [0, 2, 1, 3])
    columns = resize_rows(columns, left, width, size, filters)
    return tf.transpose(whole_levels(columns), [0, 2, 1, 3])


def resize_rows(images, first, length, count, filters):
    """Some rows of images of one size, resized to `count`.

    Args:
        images: `[N, H, W, 3]`.
        first, length: int32 `[N]`: the first of the rows, and their number.
        count: Rows of the results.
        filters: A `Filter` for each, int32 `[N]`.

    Returns:
        float32 `[N, count, W, 3]`.
    """
    before, width = images.shape[1:3]
    weights = tf.gather_nd(
        crop_weights(before, count), tf.stack([filters, length], 1)
    )
    places = tf.minimum(first[:, None] + tf.range(before), before - 1)
    rows = tf.gather(images, places, batch_dims=1)
    levels = tf.reshape(tf.cast(rows, tf.float32), [-1, before, 3 * width])
    return tf.reshape(weights @ levels, [-1, count, width, 3])


@functools.cache
def crop_weights(before, after):
    """Weights of a crop's rows in its resized rows, for all possible crops.

    Returns:
        float32 `[len(Filter), before + 1, after, before]`, a NumPy array: for
        each filter and number of rows of the crop, which may be `before`.
    """
    with tf.init_scope(), tf.device("CPU"):
        filters = tf.range(len(Filter))[:, None, None, None]
        length = tf.range(before + 1.0)[:, None, None]
        scale = length / after
        offsets = (tf.range(after, dtype=tf.float32)[:, None] + 0.5) * scale
        places = tf.range(before, dtype=tf.float32) + 0.5
        antialiased = filters < Filter.ALIASED_BILINEAR
        stretch = tf.where(antialiased, tf.maximum(scale, 1), 1)
        distance = tf.abs(places - offsets) / stretch
        weights = tf.where(
            filters == Filter.BICUBIC, cubic(distance), tf.nn.relu(1 - distance)
        )
        nearest = tf.cast(places == tf.floor(offsets) + 0.5, tf.float32)
        weights = tf.where(filters == Filter.NEAREST, nearest, weights)
        weights = tf.where(places < length, weights, 0)
        total = tf.reduce_sum(weights, -1, keepdims=True)
        return tf.math.divide_no_nan(weights, total).numpy()


def whole_levels(levels):
    return tf.cast(tf.clip_by_value(levels + 0.5, 0, 255), tf.uint8)


def resize_crop(crop, size, filter_number):
    """A crop resized to a square, as torchvision does it.

    Args:
        crop: uint8 `[H, W, 3]`.
        size: Height and width of the result, in pixels.
        filter_number: A `Filter`, a scalar int32.
    """

    def antialiased(method):
        levels = crop
        for length in (tf.shape(crop)[1], size):  # Of the other axis.
            rows = tf.reshape(levels, [-1, 3 * length])
            rows = resize_length(rows, size, method)
            rows = tf.reshape(rows, [size, length, 3])
            levels = tf.transpose(rows, [1, 0, 2])
        return levels

    def aliased(method):
        levels = tf.image.resize(crop, [size, size], method)
        return tf.cast(levels, tf.float32)

    levels = tf.switch_case(
        filter_number,
        {
            Filter.BILINEAR: lambda: antialiased("bilinear"),
            Filter.BICUBIC: lambda: antialiased("bicubic"),
            Filter.ALIASED_BILINEAR: lambda: aliased("bilinear"),
            Filter.NEAREST: lambda: aliased("nearest"),
        },
    )
    return whole_levels(levels)


def resize_length(rows, count, method):
    """The rows of a matrix `[H, M]` resized to float32 `[count, M]`.

    TensorFlow's operator adds whole rows here. Given an image, it adds pixel
    by pixel, and takes three to six times as long for the same sums.
    """
    sides = [count, 1]
    return tf.image.resize(rows[:, None], sides, method, antialias=True)[:, 0]
