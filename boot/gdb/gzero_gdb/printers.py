"""How gdb prints channels, `Vec` and `String`."""

import re

import gdb
import gdb.printing

from . import memory

# A queue of waiting goroutines that is longer is printed with dots at its end.
MOST_WAITERS = 16


class VecPrinter:
    """`Vec(size=3) = {1, 2, 3}`."""

    def __init__(self, value):
        self.first, self.length = memory.elements(value)

    def to_string(self):
        return f"Vec(size={self.length})"

    def children(self):
        for i in range(self.length):
            yield str(i), self.first[i]

    def display_hint(self):
        return "array"


class StringPrinter:
    """A `String` as a string."""

    def __init__(self, value):
        self.first, self.length = memory.elements(value["vec"])

    def to_string(self):
        if self.length == 0:
            return ""
        return self.first.string("utf-8", "replace", length=self.length)

    def display_hint(self):
        return "string"


class ChanPrinter:
    """`chan 2/3 open, receivers: 5 6 = {1, 2}`: what its buffer holds, and the goroutines that wait."""

    def __init__(self, value):
        # A `Sender` or a `Receiver` is a `Chan` in a tuple of one.
        is_chan = value.type.strip_typedefs().name.startswith("runtime::chan::channel::")
        chan = value if is_chan else value["__0"]
        self.kind = chan.type.strip_typedefs().template_argument(0)
        self.shared = memory.plain(chan["shared"])

    def to_string(self):
        if not int(self.shared):
            return "nil chan"
        hchan = self.shared["hchan"]
        count, room = memory.number(hchan["qcount"]), memory.number(hchan["dataqsiz"])
        text = f"chan {count}/{room} {'closed' if memory.number(hchan['closed']) else 'open'}"
        for name, field in (("receivers", "recvq"), ("senders", "sendq")):
            waiting = waiters(hchan[field])
            if waiting:
                text += f", {name}: {' '.join(waiting)}"
        return text

    def children(self):
        if not int(self.shared):
            return
        hchan = self.shared["hchan"]
        count, room = memory.number(hchan["qcount"]), memory.number(hchan["dataqsiz"])
        at = memory.number(hchan["recvx"])
        first = memory.plain(hchan["buf"]).cast(self.kind.pointer())
        for i in range(count):
            yield str(i), first[(at + i) % room]

    def display_hint(self):
        return "array"


def waiters(queue):
    """The numbers of the goroutines on a wait queue, first in line first."""
    numbers, at = [], memory.plain(queue["first"])
    while int(at) and len(numbers) < MOST_WAITERS:
        numbers.append(str(int(memory.plain(at["g"])["goid"])))
        at = memory.plain(at["next"])
    return numbers + ["..."] if int(at) else numbers


PRINTERS = (
    (r"alloc::vec::Vec<.*>", VecPrinter),
    (r"alloc::string::String", StringPrinter),
    (r"runtime::chan::(channel::Chan|ends::(Sender|Receiver))<.*>", ChanPrinter),
)


class Printers(gdb.printing.PrettyPrinter):
    """Finds the printer for a value by the name of its type."""

    def __init__(self):
        super().__init__("gzero", [gdb.printing.SubPrettyPrinter(p.__name__) for _, p in PRINTERS])
        self.known = [(re.compile(pattern), printer) for pattern, printer in PRINTERS]

    def __call__(self, value):
        name = value.type.strip_typedefs().name or ""
        for pattern, printer in self.known:
            if pattern.fullmatch(name):
                return printer(value)
        return None


def register(space):
    """Adds the printers, in the place of those of an earlier attachment."""
    gdb.printing.register_pretty_printer(space, Printers(), replace=True)
