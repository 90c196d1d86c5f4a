"""Where a goroutine stands: the registers with which it would go on.

A goroutine is in one of four places, looked for in this order:
 1. On a core: the core's `gs:8` names it. gdb's thread for that core has its registers.
 2. Its M works for it on the scheduler stack, called like a function (`systemstack`): frame pointers lead from the M's
    registers back to the goroutine's stack.
 3. It runs, but the kernel gives its M's thread no core now: the thread's saved registers are the goroutine's.
 4. It does not run: the switch saved its registers on its stack.

Switches of both kinds, of goroutines and of kernel threads, push the same words: r15 lowest, r14, r13, r12, rbx, rbp, and
the return address.
"""

import gdb

from . import memory

SAVED = ("r15", "r14", "r13", "r12", "rbx", "rbp", "rip")
REGISTERS = SAVED + ("rsp",)
# Frames that a walk of frame pointers follows before it takes the stack for broken.
WALK = 1024


def register(name):
    """A register of the selected frame, without a sign."""
    return int(gdb.selected_frame().read_register(name)) & ((1 << 64) - 1)


def saved_at(sp):
    """The registers that a switch pushed, `sp` being the lowest of their addresses."""
    words = {name: memory.word(sp + 8 * i) for i, name in enumerate(SAVED)}
    return {**words, "rsp": sp + 8 * len(SAVED)}


class Core:
    """A core of the machine: a thread of gdb's."""

    def __init__(self, thread):
        self.thread = thread
        thread.switch()
        gdb.newest_frame().select()
        self.registers = {name: register(name) for name in REGISTERS}
        self.g = self.id = self.kernel_thread = None
        # Before the kernel sets it, GS base is whatever the firmware left.
        blocks = memory.static("kernel::cpu::local::BLOCKS")
        size = blocks[0].type.sizeof
        index = register("gs_base") - int(blocks.address)
        if index >= 0 and index % size == 0 and index // size <= blocks.type.range()[1]:
            block = blocks[index // size]
            self.id = memory.number(block["id"])
            # Of the current G there is the end; of none, what comes out is 0.
            g = gdb.lookup_type("runtime::proc::g::G")
            self.g = memory.number(block["go_g"]) - g.sizeof
            self.kernel_thread = memory.number(block["thread"])


def cores():
    """All cores. gdb's selection is as before."""
    before, frame = gdb.selected_thread(), gdb.selected_frame()
    try:
        return [Core(t) for t in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num)]
    finally:
        before.switch()
        frame.select()


def caller_on(stack, registers):
    """The first caller whose frame lies in `stack`, by frame pointers; nothing if none does."""
    fp = registers["rbp"]
    for _ in range(WALK):
        if fp == 0 or fp % 8:
            return None
        try:
            outer, pc = memory.word(fp), memory.word(fp + 8)
        except gdb.MemoryError:
            return None
        if stack[0] <= fp < stack[1]:
            return {**registers, "rip": pc, "rbp": outer, "rsp": fp + 16}
        fp = outer
    return None


class Place:
    """Where a goroutine stands.

    `registers`: those with which it would go on, None if it has not run yet. `core`: the one that it has now, or None.
    `borrowed`: the registers are not those of that core, but saved somewhere.
    """

    def __init__(self, registers, core=None, borrowed=True):
        self.registers, self.core, self.borrowed = registers, core, borrowed


def of(g, all_cores):
    """The place of a goroutine."""
    address = int(g.address)
    for core in all_cores:
        if core.g == address:
            return Place(core.registers, core, borrowed=False)
    saved = int(g["sched_sp"])
    # A scheduler in the middle of a switch has changed the state already, and not yet given the goroutine its M.
    if memory.status_name(g) not in ("running", "syscall") or not int(g["m"]):
        return Place(saved_at(saved) if saved else None)
    thread_address = memory.number(g["m"]["os"])
    stack = int(g["stack"]["lo"]), int(g["stack"]["hi"])
    for core in all_cores:
        if core.kernel_thread == thread_address:
            return Place(caller_on(stack, core.registers) or saved_at(saved), core)
    kind = gdb.lookup_type("kernel::thread::thread::Thread").pointer()
    thread = gdb.Value(thread_address).cast(kind)
    registers = saved_at(memory.number(thread["sp"]))
    if memory.number(thread["g"]) == address:
        return Place(registers)
    return Place(caller_on(stack, registers) or saved_at(saved))


def frames(registers, limit=64):
    """Code addresses of the frames by frame pointers, innermost first."""
    pc, fp = registers["rip"], registers["rbp"]
    for _ in range(limit):
        yield pc
        if fp == 0 or fp % 8:
            return
        try:
            outer, pc = memory.word(fp), memory.word(fp + 8)
        except gdb.MemoryError:
            return
        if pc == 0 or outer <= fp:
            return
        fp = outer


class Standing:
    """Makes gdb stand where a goroutine stands, and where it stood before at the end, whatever happens.

    A goroutine without a core is lent the registers of the selected one. They are those of a stopped machine, and are as
    they were when it goes on.
    """

    def __init__(self, place):
        self.place = place

    def __enter__(self):
        self.thread, self.level = gdb.selected_thread(), gdb.selected_frame().level()
        if not self.place.borrowed:
            self.place.core.thread.switch()
        gdb.newest_frame().select()
        if self.place.borrowed:
            self.own = {name: register(name) for name in REGISTERS}
            try:
                self.write(self.place.registers)
            except gdb.error:
                # `__exit__` is not called.
                self.__exit__()
                raise

    def __exit__(self, *_):
        self.thread.switch()
        gdb.newest_frame().select()
        if self.place.borrowed:
            self.write(self.own)
        gdb.execute(f"frame {self.level}", to_string=True)
        return False

    @staticmethod
    def write(registers):
        for name in ("rsp", *SAVED):
            gdb.execute(f"set var ${name} = {registers[name]}", to_string=True)
