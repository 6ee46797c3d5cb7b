"""The images API of OpenAI: generations, edits, streams and the list of models."""
