# sh runs this script in the tree of the Python toolchain after fetching it. It changes nothing.
