"""Runs Python functions of Lamina against the Lambda Runtime API.

Standard library only; what a function may not need is imported late, since
every start waits for it.
"""
