// What package syscall asks of Linux: the kernel answers.

package runtime

import (
	"internal/runtime/exithook"
	"unsafe"
)

const _ENOSYS = 38

// gzsyscall is where internal/runtime/syscall/linux.Syscall6 goes: to runtime/src/goabi/syscall.rs. No call that is known there has more arguments.
//
//go:linkname gzsyscall
func gzsyscall(num, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr) {
	ret := gzSyscall(num, a1, a2, a3)
	if ret < 0 {
		return ^uintptr(0), 0, uintptr(-ret)
	}
	return uintptr(ret), 0, 0
}

//go:linkname entersyscall
//go:nosplit
func entersyscall() {}

//go:linkname exitsyscall
//go:nosplit
func exitsyscall() {}

//go:linkname fcntl
func fcntl(fd, cmd, arg int32) (ret int32, errno int32) {
	r := gzSyscall(72, uintptr(fd), uintptr(cmd), uintptr(arg))
	if r < 0 {
		return -1, int32(-r)
	}
	return int32(r), 0
}

func readRandom(r []byte) int {
	gzReadRandom(unsafe.SliceData(r), uintptr(len(r)))
	return len(r)
}

//go:linkname vgetrandom
func vgetrandom(p []byte, flags uint32) (ret int, supported bool) { return -1, false }

func sysargs(argc int32, argv **byte) {}

//go:nosplit
func osyield()

//go:noescape
func lock(l *mutex)

//go:noescape
func lock2(l *mutex)

//go:noescape
func unlock(l *mutex)

//go:noescape
func unlock2(l *mutex)

//go:linkname os_beforeExit os.runtime_beforeExit
func os_beforeExit(exitCode int) { exithook.Run(exitCode) }

// There are no processes: syscall.forkExec ends at rawVforkSyscall's ENOSYS.

//go:linkname syscall_runtime_BeforeFork syscall.runtime_BeforeFork
func syscall_runtime_BeforeFork() {}

//go:linkname syscall_runtime_AfterFork syscall.runtime_AfterFork
func syscall_runtime_AfterFork() {}

//go:linkname syscall_runtime_AfterForkInChild syscall.runtime_AfterForkInChild
func syscall_runtime_AfterForkInChild() {}

//go:linkname syscall_runtime_BeforeExec syscall.runtime_BeforeExec
func syscall_runtime_BeforeExec() {}

//go:linkname syscall_runtime_AfterExec syscall.runtime_AfterExec
func syscall_runtime_AfterExec() {}

//go:linkname syscall_cgocaller syscall.cgocaller
func syscall_cgocaller(fn unsafe.Pointer, args ...uintptr) uintptr {
	throw("cgo is not supported")
	return 0
}

//go:linkname syscall_runtime_doAllThreadsSyscall syscall.runtime_doAllThreadsSyscall
func syscall_runtime_doAllThreadsSyscall(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, err uintptr) {
	return ^uintptr(0), 0, _ENOSYS
}
