"""The server: an HTTP API to draw with the models of this machine.

Only modules below this package import starlette, uvicorn and python-multipart, which the extra
``serve`` installs. Of the library it uses public names.
"""
