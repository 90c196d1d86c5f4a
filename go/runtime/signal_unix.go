// Faults: the kernel makes the code that faults call sigpanic, as Go's signal handler does. There are no other signals.

package runtime

import _ "unsafe"

const (
	_SIGBUS  = 7
	_SIGFPE  = 8
	_SIGSEGV = 11

	// The kinds of SIGFPE.
	_FPE_INTDIV = 1
	_FPE_INTOVF = 2
)

func signame(sig uint32) string {
	switch sig {
	case _SIGBUS:
		return "SIGBUS: bus error"
	case _SIGFPE:
		return "SIGFPE: floating-point exception"
	case _SIGSEGV:
		return "SIGSEGV: segmentation violation"
	}
	return ""
}

// sigpanic turns a fault of the goroutine into a panic.
func sigpanic() {
	gp := getg()
	if !canpanic() {
		throw("unexpected signal during runtime execution")
	}
	if gp.sig == _SIGFPE {
		switch gp.sigcode0 {
		case _FPE_INTDIV:
			panicdivide()
		case _FPE_INTOVF:
			panicoverflow()
		}
		panicfloat()
	}
	if gp.sigcode1 < 0x1000 {
		panicmem()
	}
	if gp.paniconfault {
		panicmemAddr(gp.sigcode1)
	}
	print("unexpected fault address ", hex(gp.sigcode1), "\n")
	throw("fault")
}

//go:nosplit
func crash() { exit(2) }

//go:nosplit
func isSecureMode() bool { return false }

//go:linkname os_sigpipe os.sigpipe
func os_sigpipe() { exit(2) }

//go:linkname ignoreSIGSYS os.ignoreSIGSYS
func ignoreSIGSYS() {}

//go:linkname restoreSIGSYS os.restoreSIGSYS
func restoreSIGSYS() {}

//go:linkname signalWaitUntilIdle os/signal.signalWaitUntilIdle
func signalWaitUntilIdle() {}

//go:linkname signal_disable os/signal.signal_disable
func signal_disable(s uint32) {}

//go:linkname signal_enable os/signal.signal_enable
func signal_enable(s uint32) {}

//go:linkname signal_ignore os/signal.signal_ignore
func signal_ignore(s uint32) {}

//go:linkname signal_ignored os/signal.signal_ignored
func signal_ignored(s uint32) bool { return false }

// signal_recv waits for a signal: none comes.
//
//go:linkname signal_recv os/signal.signal_recv
func signal_recv() uint32 {
	gzPark(0)
	return 0
}
