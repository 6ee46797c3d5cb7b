"""Drawing on a GPUStack server, and deploying models there.

Imports nothing, so that a local drawing can parse an address without loading an HTTP client.
"""
