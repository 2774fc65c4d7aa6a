"""May we send this, to this person, now? Pure: standard library only, `now` is an argument.

The same function answers before a send, in a preview and in support.
"""
