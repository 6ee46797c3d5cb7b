"""The subset of AUTOMATIC1111's API (``/sdapi/v1``) that the programs use which speak it."""
