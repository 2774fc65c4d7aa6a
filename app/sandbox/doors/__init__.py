"""How the sandbox is reached: HTTP/1.1, HTTP/2 and SMTP, all in one thread's event loop (large
mails are read beside it).

A door reads bytes and writes bytes, and knows no provider. Answers leave through the till, which
writes the journal first: calls that arrive together share one write.
"""
