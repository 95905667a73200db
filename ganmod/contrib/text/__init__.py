"""``mx.contrib.text``: counting words, numbering them, and their vectors from files."""
from . import embedding, utils, vocab

__all__ = ["embedding", "utils", "vocab"]
