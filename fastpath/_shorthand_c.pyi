from fastpath._shorthand_py import lengthen as lengthen
from fastpath._shorthand_py import shorten as shorten
