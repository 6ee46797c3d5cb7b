"""Answers to words and options that are not this command's."""
