"""A server that draws for its clients: ``gpustack-draw serve``.

The only package that imports starlette and uvicorn, which the extra ``serve`` installs.
"""
