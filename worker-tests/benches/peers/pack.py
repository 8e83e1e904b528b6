"""Packs rows with Python's tarfile and gzip, as rules_pkg does: one TarInfo a row, contents by addfile.

pack.py ROWS OUT, where ROWS has a line for each row: type, mode, path, and source or target, with tabs between.
"""

import gzip
import sys
import tarfile

rows, out = sys.argv[1:]
types = {"dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE, "file": tarfile.REGTYPE}
with open(out, "wb") as blob, gzip.GzipFile("", "wb", 6, blob, mtime=0) as stream:
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for row in open(rows, encoding="utf-8", errors="surrogateescape"):
            kind, mode, path, other = row.rstrip("\n").split("\t")
            info = tarfile.TarInfo(path)
            info.type, info.mode, info.mtime = types[kind], int(mode, 8), 1672560000
            if kind == "file":
                with open(other, "rb") as content:
                    info.size = content.seek(0, 2)
                    content.seek(0)
                    tar.addfile(info, content)
            else:
                info.linkname = other
                tar.addfile(info)
