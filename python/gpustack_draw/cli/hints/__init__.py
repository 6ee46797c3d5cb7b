"""Errors and hints for wrong command lines; imported only when one is typed."""
