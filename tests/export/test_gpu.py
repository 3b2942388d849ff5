"""Files for GPUs in LiteRT's own GPU delegate, on Vulkan without a GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from tests.helpers import outputs

# Chromium brings a Vulkan driver that computes on the CPU.
VULKAN = Path("/usr/lib/chromium")
DRIVER = "vk_swiftshader_icd.json"
IMAGES = 20
# In a process of its own: the driver is looked for when it begins.
RUN = """
import json, sys
import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
file, images = sys.argv[1:]
compiled = CompiledModel.from_file(file, HardwareAccelerator.GPU)
(image,) = compiled.create_input_buffers(0)
(probabilities,) = compiled.create_output_buffers(0)
found = []
for pixels in np.load(images):
    image.write(pixels[None])
    compiled.run_by_index(0, [image], [probabilities])
    found.append(probabilities.read(10, np.float32).tolist())
print(json.dumps(found))
"""


def on_gpu(file, images, folder):
    """What the file gives for the images there."""
    if not (VULKAN / DRIVER).exists():
        pytest.skip("needs chromium's software Vulkan")
    np.save(folder / "images.npy", images)
    done = subprocess.run(
        [sys.executable, "-c", RUN, file, folder / "images.npy"],
        env={
            **os.environ,
            "LD_LIBRARY_PATH": str(VULKAN),
            "VK_ICD_FILENAMES": str(VULKAN / DRIVER),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Selected adapter: SwiftShader" in done.stderr
    assert "WebGPU-based API" in done.stderr
    return np.array(json.loads(done.stdout.splitlines()[-1]))


def test_the_gpu_delegate_computes_what_the_cpu_does(digits_export, tmp_path):
    images, _ = as_arrays(Source("digits").load(8).held_out, IMAGES)
    file = digits_export / "digits_gpu.tflite"
    found = on_gpu(file, np.float32(images), tmp_path)
    expected = outputs(file.read_bytes(), images)
    np.testing.assert_allclose(found, expected, atol=1e-3)
