"""Integer files.

A network becomes integers in these steps, each of which is a module:

    equalize    channels whose ranges are more alike
    fit         better ranges, and weights that make up for the rounding
    calibrate   the other ranges, over real images
    quantize    the file, by ai-edge-quantizer

`qat` trains the network between fitting and calibrating, as
`quantization_aware` rounds it. What a number is rounded to is in `rounding`
alone.
"""
