"""The runtime's objects in the stopped machine's memory.

Rust wraps most words: an atomic is a structure around a cell around the word. `plain` takes such wrappers off, so that the
rest of this package reads fields as if they were C's.
"""

import gdb


class NotStarted(gdb.GdbError):
    """The scheduler has not started: there is no memory to read yet, or nothing in it."""

    def __init__(self):
        super().__init__("the scheduler has not started yet (break at programs::... and continue)")


def plain(value):
    """`value` without structures that have it as their only field."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        fields = [f for f in value.type.strip_typedefs().fields() if f.type.sizeof]
        if len(fields) != 1:
            break
        value = value[fields[0]]
    return value


def number(value):
    """An integer, an enumeration's number, or an address."""
    return int(plain(value))


def static(path):
    """The static variable at a Rust path."""
    language = gdb.parameter("language")
    gdb.execute("set language rust", to_string=True)
    try:
        value = gdb.parse_and_eval(path)
        value.fetch_lazy()
        return value
    except gdb.MemoryError:
        raise NotStarted() from None
    finally:
        gdb.execute(f"set language {language}", to_string=True)


def variants(enum):
    """Names of an enumeration without fields, by number."""
    names = {}
    for field in gdb.lookup_type(enum).fields():
        names[field.enumval] = field.name.rsplit("::", 1)[-1]
    return names


def text(value):
    """A `&str` as a Python string."""
    return value["data_ptr"].string("utf-8", "replace", length=int(value["length"]))


def elements(vector):
    """The first element of a `Vec` as a pointer of its type, and how many there are."""
    kind = vector.type.strip_typedefs().template_argument(0)
    return plain(vector["buf"]["inner"]["ptr"]).cast(kind.pointer()), int(vector["len"])


def all_list(head, limit=1 << 20):
    """What is on an `AllList`, newest first."""
    at = plain(head)
    while int(at) and limit:
        item = at.dereference()
        yield item
        at = plain(item["alllink"])
        limit -= 1


def word(address):
    """The eight bytes at an address, which need have no type."""
    pointer = gdb.lookup_type("usize").pointer()
    return int(gdb.Value(address).cast(pointer).dereference())


def goroutines():
    """Every G that is not dead, oldest first."""
    dead = {n for n, name in variants("runtime::proc::status::Status").items() if name in ("Idle", "Dead")}
    live = (g for g in all_list(static("runtime::proc::allgs::ALLGS")["list"]) if status(g) not in dead)
    return sorted(live, key=lambda g: int(g["goid"]))


def ms():
    """Every M that has a thread, oldest first."""
    live = (m for m in all_list(static("runtime::proc::sched::ALLM")) if number(m["live"]))
    return sorted(live, key=lambda m: int(m["id"]))


def ps():
    """The Ps below GOMAXPROCS."""
    table = static("runtime::proc::sched::ALLP")
    count = number(static("runtime::proc::sched::GOMAXPROCS"))
    return [plain(table[i]).dereference() for i in range(count)]


def status(g):
    """The number of a G's state, without the scan bit."""
    return number(g["status"]) & 0xFFF


def status_name(g):
    """A G's state in lower case, as Go names it."""
    return variants("runtime::proc::status::Status").get(status(g), "?").lower()


def wait_reason(g):
    """Why it waits, in Go's words."""
    return text(static("runtime::proc::waitreason::TEXTS")[int(g["wait_reason"])])


def state(g):
    """What it waits for, else its state."""
    name = status_name(g)
    return (wait_reason(g) or name) if name == "waiting" else name
