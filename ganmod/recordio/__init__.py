"""``mx.recordio``: files of records, with and without an index, byte for byte those of MXNet.

A record is, little-endian: uint32 0xced7230a, uint32 ``part << 29 | length``, the payload, zeros up to the next
multiple of 4. Where the payload itself has the first word at a multiple of 4, it is cut there: the word is left out,
and the pieces become parts numbered 1 (the first), 2 (between) and 3 (the last); a record in one piece is part 0. So
whoever lost the thread in a damaged file finds the next record by its first word. An index is a text file of lines
``key<tab>offset``.
"""
from .files import MXIndexedRecordIO, MXRecordIO, RecordKeyError
from .headers import IRHeader, opencv, pack, pack_img, unpack, unpack_img
from .reading import RecordFile

__all__ = ["IRHeader", "MXIndexedRecordIO", "MXRecordIO", "RecordFile", "RecordKeyError", "opencv", "pack", "pack_img",
           "unpack", "unpack_img"]
