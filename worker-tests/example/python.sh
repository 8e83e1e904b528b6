# What becomes of the tree of the Python toolchain when it is fetched: run in it, by sh. Nothing, for now.
