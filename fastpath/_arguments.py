"""The one sentence for an argument of the wrong type, so that both twins say the same.

Law. It names the type, never the value: arguments here are secrets, bodies and signatures.
"""


def wrong_type(name: str, expected: str, value: object) -> TypeError:
    """The error to raise when argument `name` is not exactly of the type `expected`."""
    return TypeError(f"{name} must be {expected}, not {type(value).__name__}")
