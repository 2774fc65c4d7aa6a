"""Templates and their versions: writing, compiling, checking and rendering.

Pure text in, text out: who receives it is decided elsewhere.
"""
