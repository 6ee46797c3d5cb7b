# Container images of gpustack-draw.
#
#     docker build --target cpu --tag gpustack-draw:cpu .
#     docker run --publish 127.0.0.1:1234:1234 --volume models:/models gpustack-draw:cpu \
#       serve hf.co/OWNER/REPO --host 0.0.0.0 --api-key KEY
#
# Targets: cpu, and with a GPU backend vulkan and cuda, which draw on the CPU where its driver is
# missing. Those for GPUStack are gpustack-cpu, gpustack-vulkan and gpustack-cuda: they differ only in
# the health check, which GPUStack 2.x takes for a failure while its state is "starting".
# docs/how-to/gpustack-2.md describes their use.

ARG BASE=debian:trixie-slim
ARG CUDA_BUILD_BASE=nvidia/cuda:12.9.1-devel-ubuntu24.04
ARG CUDA_BASE=nvidia/cuda:12.9.1-runtime-ubuntu24.04

# --- CPU ------------------------------------------------------------------------------------------

FROM ${BASE} AS build-cpu
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates g++ python3-dev python3-venv \
  && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/gpustack-draw
COPY . /source
RUN /opt/gpustack-draw/bin/pip install --no-cache-dir '/source[serve]' \
  --config-settings=cmake.define.GGML_NATIVE=OFF

FROM ${BASE} AS cpu
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates libgomp1 python3 \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --create-home draw \
  && install --directory --owner draw --group draw /models
COPY --from=build-cpu /opt/gpustack-draw /opt/gpustack-draw
COPY docker/health.py /opt/gpustack-draw/health.py
ENV PATH=/opt/gpustack-draw/bin:$PATH HF_HOME=/models
USER 10001
WORKDIR /home/draw
VOLUME /models
EXPOSE 1234
HEALTHCHECK --interval=30s --timeout=5s --start-period=30m CMD ["python3", "/opt/gpustack-draw/health.py"]
ENTRYPOINT ["gpustack-draw"]
CMD ["--help"]

FROM cpu AS gpustack-cpu
HEALTHCHECK NONE

# --- Vulkan ---------------------------------------------------------------------------------------

FROM build-cpu AS build-vulkan
RUN apt-get update \
  && apt-get install --yes --no-install-recommends glslc libvulkan-dev \
  && rm -rf /var/lib/apt/lists/*
RUN /opt/gpustack-draw/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source/backends/vulkan

FROM cpu AS vulkan
USER 0
RUN apt-get update \
  && apt-get install --yes --no-install-recommends libvulkan1 mesa-vulkan-drivers \
  && rm -rf /var/lib/apt/lists/*
RUN --mount=type=bind,from=build-vulkan,source=/wheels,target=/wheels \
  pip install --no-cache-dir --no-index --no-deps /wheels/*.whl
USER 10001

FROM vulkan AS gpustack-vulkan
HEALTHCHECK NONE

# --- CUDA -----------------------------------------------------------------------------------------

FROM ${CUDA_BUILD_BASE} AS build-cuda
# For example 86 or 86;89; empty for all that ggml compiles for, which takes hours.
ARG CUDA_ARCHITECTURES=
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates g++ python3-dev python3-venv \
  && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/gpustack-draw
COPY . /source
# CUDA's libraries are those of the image, not the packages that the backend requires.
RUN /opt/gpustack-draw/bin/pip install --no-cache-dir '/source[serve]' \
    --config-settings=cmake.define.GGML_NATIVE=OFF \
  && /opt/gpustack-draw/bin/pip install --no-cache-dir --no-deps /source/backends/cuda \
    ${CUDA_ARCHITECTURES:+"--config-settings=cmake.define.CMAKE_CUDA_ARCHITECTURES=$CUDA_ARCHITECTURES"}

FROM ${CUDA_BASE} AS cuda
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates libgomp1 python3 \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --create-home draw \
  && install --directory --owner draw --group draw /models
COPY --from=build-cuda /opt/gpustack-draw /opt/gpustack-draw
COPY docker/health.py /opt/gpustack-draw/health.py
ENV PATH=/opt/gpustack-draw/bin:$PATH HF_HOME=/models
USER 10001
WORKDIR /home/draw
VOLUME /models
EXPOSE 1234
HEALTHCHECK --interval=30s --timeout=5s --start-period=30m CMD ["python3", "/opt/gpustack-draw/health.py"]
ENTRYPOINT ["gpustack-draw"]
CMD ["--help"]

FROM cuda AS gpustack-cuda
HEALTHCHECK NONE
