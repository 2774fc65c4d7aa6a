"""Shapes of the API's requests and answers, and their way to and from the domain's own types.

No decisions and no queries: a schema knows how things are written, not what they mean.
"""
