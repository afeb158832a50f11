"""The Triton configuration of the style model."""

from collections.abc import Sequence

from atelier_export.style.names import check_style_names

_CONFIG = """\
# Repaints photographs. Written by `atelier export style` for the newest version in this folder;
# to change it, export again.
name: "style"
platform: "onnxruntime_onnx"

# Every height and width from 16 pixels up; the picture comes back in the size that it had. A batch
# takes some 130 bytes of memory a pixel: four pictures of 4 million pixels need 2 GB.
max_batch_size: 4
input [
  {{
    # Pixels, RGB: height, width, 3.
    name: "image"
    data_type: TYPE_UINT8
    dims: [ -1, -1, 3 ]
  }},
  {{
    # One weight a style, in the order of the parameter `styles` below.
    name: "style"
    data_type: TYPE_FP32
    dims: [ {styles} ]
  }}
]
output [
  {{
    name: "stylized"
    data_type: TYPE_UINT8
    dims: [ -1, -1, 3 ]
  }}
]

# Pictures of one size that wait share a batch; none waits for others to come.
dynamic_batching {{ }}

# One instance on each GPU; without a GPU one instance that uses every core.
instance_group [ {{ count: 1 }} ]

# The first request finds memory allocated and kernels chosen.
model_warmup [
  {{
    name: "one picture of 256x256"
    batch_size: 1
    inputs {{
      key: "image"
      value {{ data_type: TYPE_UINT8 dims: [ 256, 256, 3 ] random_data: true }}
    }}
    inputs {{
      key: "style"
      value {{ data_type: TYPE_FP32 dims: [ {styles} ] random_data: true }}
    }}
  }}
]

parameters {{
  key: "styles"
  value {{ string_value: "{names}" }}
}}
"""


def style_config(styles: Sequence[str]) -> str:
    """The text of config.pbtxt.

    Args:
        styles: Names of the styles, in the order of the network's style vector.

    Raises:
        ValueError: A name could not be told apart in a list or a mixture, or appears twice.
    """
    check_style_names(styles)
    return _CONFIG.format(styles=len(styles), names=",".join(styles))
