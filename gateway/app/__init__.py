"""Wiring: the only package that knows every concrete class.

Law: nothing is decided here and nothing is computed; parts are made, given to each other, and
ended in the reverse order. A process is a `Core` (what every process needs) and on it a `Gateway`
(the doors) or a `Worker` (the clocks).
"""

from gateway.app.core import Core
from gateway.app.gateway import Gateway
from gateway.app.opening import open_core
from gateway.app.worker import Worker

__all__ = ["Core", "Gateway", "Worker", "open_core"]
