"""What takes the place of a ConvMixer's layers while TensorFlow trains it.

They compute what the stock layers compute, on one CPU in less time, on several
replicas with less rounding. The model that is saved has the stock ones.

Under the policy "mixed_bfloat16" one CPU multiplies 16-bit numbers in pointwise
convolutions, where most of the work is. All else is float32, which is faster on
a CPU: it has no other instructions for 16 bits.
"""

import math

import keras
import tensorflow as tf
from keras import layers

IMAGES_AT_ONCE = 8


def for_training(model, replicas, one_cpu):
    """A copy of a ConvMixer to be trained, with its weights.

    Args:
        model: A model that `ConvMixer` built.
        replicas: Their number, on all machines.
        one_cpu: Whether there is but one, on a CPU.
    """
    if one_cpu:
        replacements = {
            layers.BatchNormalization: FusedBatchNormalization,
            layers.DepthwiseConv2D: FastDepthwiseConv2D,
            layers.Activation: FastActivation,
        }
    elif replicas > 1:
        replacements = {layers.BatchNormalization: SharedBatchNormalization}
    else:
        return model

    def replace(layer):
        new = replacements.get(type(layer), type(layer))
        config = layer.get_config()
        if one_cpu and is_bfloat16(layer) and not is_pointwise(layer):
            config["dtype"] = "float32"
        return new.from_config(config)

    copy = keras.models.clone_model(model, clone_function=replace)
    copy.set_weights(model.get_weights())
    return copy


def is_bfloat16(layer):
    return layer.dtype_policy.name == "mixed_bfloat16"


def is_pointwise(layer):
    return type(layer) is layers.Conv2D and layer.kernel_size == (1, 1)


class SharedBatchNormalization(layers.BatchNormalization):
    """Normalises by the statistics of the whole batch, on all replicas.

    Keras' `synchronized=True` takes the variance as mean square less squared
    mean. Where a channel varies little, that rounds gradients by a hundredth.
    """

    def _moments(self, inputs, mask):
        def mean_of(values):
            local = tf.reduce_mean(values, self._reduction_axes)
            replica = tf.distribute.get_replica_context()
            return replica.all_reduce(tf.distribute.ReduceOp.MEAN, local)

        mean = mean_of(inputs)
        return mean, mean_of(tf.square(inputs - mean))


class FastActivation(layers.Activation):
    """Has GELU and its gradient computed in one pass each."""

    def call(self, inputs):
        if self.activation is keras.activations.gelu:
            return gelu(inputs)
        return super().call(inputs)


@tf.custom_gradient
def gelu(x):
    return gelu_of(x), lambda upstream: gelu_gradient(x, upstream)


# XLA makes one loop of what are five and eight operators, each of which reads
# and writes a whole feature map.
@tf.function(jit_compile=True)
def gelu_of(x):
    return x * share_below(x)


@tf.function(jit_compile=True)
def gelu_gradient(x, upstream):
    density = tf.exp(-0.5 * tf.square(x)) * (2 * math.pi) ** -0.5
    return upstream * (share_below(x) + x * density)


def share_below(x):
    """The share of the normal distribution that is below x."""
    return 0.5 * (1 + tf.math.erf(x * 0.5**0.5))


class FusedBatchNormalization(layers.BatchNormalization):
    """Normalises by one kernel instead of several operators."""

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable):
            return super().call(inputs, training=training)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
        )
        # Of all values, as Keras has it; the kernel's is of a sample.
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), tf.float32)
        variance *= (count - 1) / count
        for average, value in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            average.assign(
                average * self.momentum + value * (1 - self.momentum)
            )
        return outputs


class FastDepthwiseConv2D(layers.DepthwiseConv2D):
    """Has the gradient of a large kernel computed as a convolution."""

    def call(self, inputs):
        kernel = tf.convert_to_tensor(self.kernel)
        return depthwise(inputs, kernel) + tf.convert_to_tensor(self.bias)


@tf.custom_gradient
def depthwise(images, kernel):
    strides = [1, 1, 1, 1]

    def gradients(upstream):
        size = kernel.shape[0]
        if size % 2:  # The border is the same on all sides.
            turned = tf.reverse(kernel, axis=[0, 1])
            of_images = tf.nn.depthwise_conv2d(
                upstream, turned, strides, "SAME"
            )
        else:
            of_images = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(images),
                filter=kernel,
                out_backprop=upstream,
                strides=strides,
                padding="SAME",
            )
        return of_images, kernel_gradient(images, upstream, size)

    return tf.nn.depthwise_conv2d(images, kernel, strides, "SAME"), gradients


def kernel_gradient(images, upstream, size):
    """The gradient of a depthwise kernel `[size, size, C, 1]`.

    It is the sum of those of a few images at a time, whose features stay in
    the processor's cache. For small kernels TensorFlow's operator is faster.

    Args:
        images: `[N, H, W, C]`, what was convolved.
        upstream: `[N, H, W, C]`, the gradient of the result.
        size: The kernel's side.
    """
    if size < 5:
        return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=images,
            filter_sizes=[size, size, images.shape[-1], 1],
            out_backprop=upstream,
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
    border = [(size - 1) // 2, size // 2]
    padded = tf.pad(images, [[0, 0], border, border, [0, 0]])
    count = images.shape[0] or 1
    parts = count // math.gcd(count, IMAGES_AT_ONCE)
    return tf.add_n(
        [
            kernel_gradient_of_part(*part)
            for part in zip(
                tf.split(padded, parts), tf.split(upstream, parts), strict=True
            )
        ]
    )


def kernel_gradient_of_part(padded, upstream):
    """A depthwise convolution of the channels of all images side by side.

    Its kernel is the upstream gradient.
    """
    channels = padded.shape[-1]
    (height, width), (rows, columns) = padded.shape[1:3], upstream.shape[1:3]
    side_by_side = tf.transpose(padded, (1, 2, 0, 3))
    kernel = tf.transpose(upstream, (1, 2, 0, 3))
    of_each = tf.nn.depthwise_conv2d(
        tf.reshape(side_by_side, (1, height, width, -1)),
        tf.reshape(kernel, (rows, columns, -1, 1)),
        [1, 1, 1, 1],
        "VALID",
    )
    size = height - rows + 1
    of_each = tf.reshape(of_each, (size, size, -1, channels))
    return tf.reduce_sum(of_each, axis=2)[..., None]
