"""The sandbox: an app of its own that speaks the five providers' real wire.

It is a second, independent reading of the providers' contracts: it checks what they check, answers
what they answer, writes down what it took, and posts their webhooks back. For development, tests
and drills. It imports nothing of Herald, and Herald's channels import nothing of it.
"""
