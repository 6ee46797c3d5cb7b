"""The definition of ``gpustack-draw serve`` as an inference backend of GPUStack 2.x."""

import re
from importlib.metadata import version

from gpustack_draw.errors import UsageError, quoted

DEFAULT_IMAGE = "gpustack-draw"
RUN_COMMAND = (
    "serve {{model_path}} --host {{worker_ip}} --port {{port}} --alias {{model_name}} --no-auth"
)
# Offered by the form that deploys a model.
SUGGESTED_OPTIONS = (
    *("--vae", "--clip-l", "--clip-g", "--t5xxl", "--llm", "--llm-vision", "--taesd"),
    *("--device", "--threads", "--max-size", "--queue", "--lora"),
)

# A registry with a port, folders and a name, as container tools write them.
_IMAGE = re.compile(r"(?:[\w.-]+(?::[0-9]{1,5})?/)?[a-z0-9._-]+(?:/[a-z0-9._-]+)*", re.ASCII)

_TEMPLATE = """\
# gpustack-draw {version} as an inference backend of GPUStack 2.1 or newer: an administrator pastes
# this under Inference Backends > Add Backend > YAML.
backend_name: gpustack-draw-custom
description: Draws with GGUF, safetensors and diffusers image models on GPUs and CPUs
health_check_path: /health
default_run_command: '{run_command}'
parameter_format: space
common_parameters: [{options}]
default_env:
  # Components that a model lacks are downloaded into the folder of the model, the only one that
  # GPUStack mounts into the container. The folder belongs to root.
  HF_HOME: '{{{{model_path}}}}.components'
  GPUSTACK_MODEL_RUNTIME_UID: '0'
  GPUSTACK_MODEL_RUNTIME_GID: '0'
default_version: {tag}-cuda
version_configs:
  {tag}-cuda:
    image_name: {image}:{tag}-cuda
    custom_framework: cuda
  {tag}-cpu:
    image_name: {image}:{tag}-cpu
    custom_framework: cpu
"""


def backend_definition(image: str = "") -> str:
    """Write the definition that an administrator adds to GPUStack, as YAML.

    Args:
        image: Name of the container image without its tag, such as
            ``registry.example.com/gpustack-draw``; empty for :data:`DEFAULT_IMAGE`. The tags are
            the version and the target, such as ``0.1.0-cuda``.

    Raises:
        UsageError: This is not such a name.
    """
    own_version = version("gpustack-draw")
    tag = own_version.replace("+", "-")  # tags of images have no plus sign
    if image and not _IMAGE.fullmatch(image):
        raise UsageError(
            f"{quoted(image)} is not the name of a container image without its tag",
            hint=f"type it as registry.example.com/gpustack-draw; {tag}-cuda and {tag}-cpu are"
            " appended as tags",
            argument="gpustack_backend",
        )
    return _TEMPLATE.format(
        version=own_version,
        run_command=RUN_COMMAND,
        options=", ".join(SUGGESTED_OPTIONS),
        image=image or DEFAULT_IMAGE,
        tag=tag,
    )
