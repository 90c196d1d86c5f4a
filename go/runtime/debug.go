// What a program can ask about its goroutines' stacks.

package runtime

import (
	"internal/runtime/sys"
	_ "unsafe"
)

// Stack writes the trace of the goroutine, or of all, to buf, and returns how many bytes that was.
func Stack(buf []byte, all bool) int {
	pc, sp := sys.GetCallerPC(), sys.GetCallerSP()
	n := 0
	if len(buf) > 0 {
		gp := getg()
		if all {
			gzStopTheWorld(1)
		}
		gzDescribe(gp)
		systemstack(func() {
			me := getg()
			me.m.traceback = 1
			me.writebuf = buf[0:0:len(buf)]
			goroutineheader(gp)
			traceback(pc, sp, 0, gp)
			if all {
				tracebackothers(gp)
			}
			me.m.traceback = 0
			n = len(me.writebuf)
			me.writebuf = nil
		})
		if all {
			gzStopTheWorld(0)
		}
	}
	return n
}

// Breakpoint is for a debugger; without one it does nothing.
func Breakpoint() {}

//go:linkname debug_modinfo runtime/debug.modinfo
func debug_modinfo() string { return modinfo }

func KeepAlive(x any) {
	if cgoAlwaysFalse {
		println(x)
	}
}
