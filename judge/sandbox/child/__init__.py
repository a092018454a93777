"""What runs on the inside of the sandbox, before and beside untrusted programs.

These files import the standard library and each other, nothing of flywheel: they are loaded by a bare interpreter.
"""
