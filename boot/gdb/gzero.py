"""gdb commands for a machine that runs Gzero.

Sourced by the command file that `./qemu-run.sh -gdb` writes. Everything here reads the stopped machine's memory by the
debug information of the kernel's ELF: names of statics, types and fields, no offsets.

    info goroutines        every goroutine: state, what it waits for, where
    goroutine N COMMAND    COMMAND (bt, info locals, ...) as if goroutine N were running; `goroutine all bt`
    info ms                kernel threads that run goroutines, and where each is
    info ps                the rights to run goroutines: state, queue, timers
    info timers            every P's timers and sleepers, earliest first

Channels, `Vec` and `String` are printed by their contents.
"""

import os
import sys

import gdb

here = os.path.dirname(os.path.realpath(__file__))
if here not in sys.path:
    sys.path.insert(0, here)

from gzero_gdb import goroutines, printers, tables  # noqa: E402

goroutines.register()
tables.register()
printers.register(gdb.current_progspace())
