"""Forms that come signed: read once, verified as bytes, and believed as texts afterwards.

Law. This is a door: it holds no logic, only the names of the twin that `fastpath._select` chose.
A form is read once and strictly, into bytes; its texts are asked for when it is believed. No
channel is known here, nor how long a form may be.
"""

from fastpath._select import IMPLEMENTATION
from fastpath._signed_form_terms import CHARSETS, REASONS, FormMalformed

if IMPLEMENTATION == "cython":
    from fastpath._signed_form_c import SignedForm
else:
    from fastpath._signed_form_py import SignedForm

__all__ = ["CHARSETS", "REASONS", "FormMalformed", "SignedForm"]
