"""`info goroutines` and `goroutine N COMMAND`."""

import gdb

from . import context, memory

# What a goroutine does for its program is more telling than where in the runtime it waits.
INNER = (
    "runtime::", "core::", "alloc::", "kernel::", "<", "__gzero", "unwinding::",
    # Of a Go program.
    "runtime.", "internal/", "sync.", "syscall.", "time.",
)

# Of a goroutine whose stack is just being given back or changed, or has been overwritten.
UNREADABLE = "its stack cannot be read now"


def program_frame():
    """The innermost frame of the program's own code, from the selected registers; else the innermost frame."""
    innermost = frame = gdb.newest_frame()
    while frame is not None and frame.is_valid():
        name = frame.name()
        if name is not None and not name.startswith(INNER):
            return frame
        try:
            frame = frame.older()
        except gdb.error:
            break
    return innermost


def place():
    """Function and line of `program_frame`."""
    frame = program_frame()
    line = frame.find_sal()
    where = f"{line.symtab.filename}:{line.line}" if line.symtab is not None else "?"
    return f"{frame.name() or hex(frame.pc())} at {where}"


def describe(g, all_cores, places):
    """One line about a goroutine. `places` has the places of stacks that were looked at before: many are alike."""
    named = f"{int(g['goid']):<5} {memory.state(g)}"
    try:
        where = context.of(g, all_cores)
    except gdb.MemoryError:
        return f"  {named}  ({UNREADABLE})"
    head = f"{'*' if where.core else ' '} {named}"
    if where.core is not None and where.core.id is not None:
        head += f" on core {where.core.id}"
    if where.registers is None:
        return f"{head}  (has not run yet)"
    stack = tuple(context.frames(where.registers))
    if stack not in places:
        with context.Standing(where):
            places[stack] = place()
    return f"{head}  {places[stack]}"


class InfoGoroutines(gdb.Command):
    """Lists the goroutines: number, state or what it waits for, and where its program stands. A star: it has a core now."""

    def __init__(self):
        super().__init__("info goroutines", gdb.COMMAND_STACK)

    def invoke(self, _argument, _from_tty):
        all_cores = context.cores()
        found = memory.goroutines()
        if not found:
            raise memory.NotStarted()
        places = {}
        for g in found:
            print(describe(g, all_cores, places))


class Goroutine(gdb.Command):
    """goroutine N COMMAND: runs COMMAND as if goroutine N had the core. goroutine all COMMAND: for each of them."""

    def __init__(self):
        super().__init__("goroutine", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, _from_tty):
        which, _, command = argument.strip().partition(" ")
        if not which or not command.strip():
            raise gdb.GdbError("usage: goroutine N COMMAND, or goroutine all COMMAND (goroutine 1 bt)")
        found = memory.goroutines()
        if which != "all":
            found = [g for g in found if str(int(g["goid"])) == which]
            if not found:
                raise gdb.GdbError(f"no goroutine {which} (info goroutines lists them)")
        all_cores = context.cores()
        for g in found:
            if which == "all":
                print(f"\ngoroutine {int(g['goid'])} [{memory.state(g)}]:")
            self.run(g, all_cores, command.strip())

    @staticmethod
    def run(g, all_cores, command):
        try:
            where = context.of(g, all_cores)
        except gdb.MemoryError:
            print(UNREADABLE)
            return
        if where.registers is None:
            print("it has not run yet: it has no stack")
            return
        with context.Standing(where):
            gdb.execute(command)


def register():
    """Adds the commands."""
    InfoGoroutines()
    Goroutine()
