"""What gdb is taught about Gzero; see `gzero.py` beside this folder."""
