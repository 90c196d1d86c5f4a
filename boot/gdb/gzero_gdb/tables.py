"""`info ms`, `info ps` and `info timers`."""

import gdb

from . import context, memory


def goid(g):
    """A goroutine's number, `-` for none."""
    return str(int(g["goid"])) if int(g) else "-"


def number_of(pointer, field="id"):
    """The number of the M or P that a pointer leads to, `-` for none."""
    return str(int(pointer[field])) if int(pointer) else "-"


class InfoMs(gdb.Command):
    """Lists the Ms: number, core, P, goroutine, whether it spins, and the goroutine that is locked to it."""

    def __init__(self):
        super().__init__("info ms", gdb.COMMAND_STACK)

    def invoke(self, _argument, _from_tty):
        running = {core.kernel_thread: core.id for core in context.cores()}
        found = memory.ms()
        if not found:
            raise memory.NotStarted()
        print("m     core  p     goroutine  spinning  locked to")
        for m in found:
            core = running.get(memory.number(m["os"]))
            # sysmon's number is Go's: -1.
            name = int(m["id"]) if int(m["id"]) < 1 << 63 else -1
            print(
                f"{name:<5} {'-' if core is None else core:<5} {number_of(memory.plain(m['p'])):<5} "
                f"{goid(memory.plain(m['curg'])):<10} {'yes' if memory.number(m['spinning']) else 'no':<9} "
                f"{goid(memory.plain(m['lockedg']))}"
            )


class InfoPs(gdb.Command):
    """Lists the Ps: number, state, M, queued goroutines (the next one first), timers, turns of the scheduler."""

    def __init__(self):
        super().__init__("info ps", gdb.COMMAND_STACK)

    def invoke(self, _argument, _from_tty):
        found = memory.ps()
        if not found:
            raise memory.NotStarted()
        states = memory.variants("runtime::proc::p::PStatus")
        print("p     state    m     timers  schedtick  queue")
        for p in found:
            state = states.get(memory.number(p["status"]), "?").lower()
            print(
                f"{int(p['id']):<5} {state:<8} {number_of(memory.plain(p['m'])):<5} "
                f"{memory.number(p['timers']['len']):<7} {memory.number(p['schedtick']):<10} {queue(p['runq'])}"
            )
        head = memory.plain(memory.static("runtime::proc::sched::SCHED")["value"])["runq"]
        print(f"global queue: {int(head['n'])}")


def queue(runq):
    """The numbers of the goroutines on a P's queue."""
    ring = runq["ring"]
    length = ring.type.range()[1] + 1
    at, end = memory.number(runq["head"]), memory.number(runq["tail"])
    numbers = [goid(memory.plain(runq["next"]))] if memory.number(runq["next"]) else []
    while at != end and len(numbers) <= length:
        numbers.append(goid(memory.plain(ring[at % length])))
        at = (at + 1) % (1 << 32)
    return " ".join(numbers) if numbers else "(empty)"


class InfoTimers(gdb.Command):
    """Lists timers and sleepers of each P, earliest first, with the seconds since boot at which they are due."""

    def __init__(self):
        super().__init__("info timers", gdb.COMMAND_STACK)

    def invoke(self, _argument, _from_tty):
        found = memory.ps()
        if not found:
            raise memory.NotStarted()
        print("p     due at          what")
        for p in found:
            for when, what in sorted(entries(p["timers"])):
                print(f"{int(p['id']):<5} {when / 1e9:<15.9f} {what}")


def entries(timers):
    """When each entry of a heap is due, and what it is."""
    vector = memory.plain(timers["heap"])
    first, length = memory.elements(vector)
    for i in range(length):
        when, entry = first[i]["__0"], memory.number(first[i]["__1"])
        if entry & 1:
            g = gdb.Value(entry - 1).cast(gdb.lookup_type("runtime::proc::g::G").pointer())
            yield int(when), f"goroutine {int(g['goid'])} sleeps"
            continue
        timer = gdb.Value(entry).cast(gdb.lookup_type("runtime::time::timer::TimerCore").pointer())
        due, period = memory.number(timer["when"]), memory.number(timer["period"])
        if due == 0:
            yield int(when), f"timer {entry:#x}, stopped"
        else:
            every = f", every {period / 1e9:.9g} s" if period else ""
            yield due, f"timer {entry:#x}{every}"


def register():
    """Adds the commands."""
    InfoMs()
    InfoPs()
    InfoTimers()
