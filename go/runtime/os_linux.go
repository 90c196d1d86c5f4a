// What package syscall asks of Linux, as far as there is an answer: the console, the end, random bytes. All else is ENOSYS, or ENOENT for a file.

package runtime

import (
	"internal/runtime/exithook"
	"unsafe"
)

const (
	_ENOENT = 2
	_EBADF  = 9
	_EFAULT = 14
	_EINVAL = 22
	_ENOTTY = 25
	_ESPIPE = 29
	_ENOSYS = 38
)

const (
	gzFGetFD, gzFGetFL = 1, 3
	gzORdwr            = 2
)

// console tells the three descriptors there are.
func gzconsole(fd uintptr) bool { return fd <= 2 }

// gzsyscall is where internal/runtime/syscall/linux.Syscall6 goes.
//
//go:linkname gzsyscall
func gzsyscall(num, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr) {
	ret := gzcall(num, a1, a2, a3)
	if ret < 0 {
		return ^uintptr(0), 0, uintptr(-ret)
	}
	return uintptr(ret), 0, 0
}

func gzcall(num, a1, a2, a3 uintptr) int {
	switch num {
	case 0: // read
		if a1 != 0 {
			return -_EBADF
		}
		if a3 == 0 {
			return 0
		}
		return gzRead(unsafe.Pointer(a2), a3)
	case 1: // write
		if a1 != 1 && a1 != 2 {
			return -_EBADF
		}
		return gzWrite(a1, unsafe.Pointer(a2), a3)
	case 3: // close
		if !gzconsole(a1) {
			return -_EBADF
		}
		return 0
	case 8: // lseek
		if !gzconsole(a1) {
			return -_EBADF
		}
		return -_ESPIPE
	case 39, 186: // getpid, gettid
		return 1
	case 72: // fcntl
		if !gzconsole(a1) {
			return -_EBADF
		}
		switch a2 {
		case gzFGetFL:
			return gzORdwr
		case gzFGetFD:
			return 0
		}
		return -_EINVAL
	case 102, 104, 107, 108: // getuid, getgid, geteuid, getegid
		return 0
	case 228: // clock_gettime
		return -_ENOSYS
	case 231, 60: // exit_group, exit
		exit(int32(a1))
	case 318: // getrandom
		return readRandom(unsafe.Slice((*byte)(unsafe.Pointer(a1)), int(a2)))
	case 2, 4, 6, 21, 80, 82, 83, 84, 86, 87, 88, 89, 257, 258, 262, 263, 264, 265, 266, 267, 268, 269, 332, 439:
		// open, stat, lstat, access, chdir, rename, mkdir, rmdir, link, unlink, symlink, readlink, and their *at
		return -_ENOENT
	case 5: // fstat
		if !gzconsole(a1) {
			return -_EBADF
		}
		return gzfstat(unsafe.Pointer(a2))
	}
	return -_ENOSYS
}

// gzfstat says that a descriptor of the console is a character device.
func gzfstat(to unsafe.Pointer) int {
	const statBytes, modeAt, charDevice = 144, 24, 0o020620
	memclrNoHeapPointers(to, statBytes)
	*(*uint32)(add(to, modeAt)) = charDevice
	return 0
}

//go:linkname entersyscall
//go:nosplit
func entersyscall() {}

//go:linkname exitsyscall
//go:nosplit
func exitsyscall() {}

//go:linkname fcntl
func fcntl(fd, cmd, arg int32) (ret int32, errno int32) {
	r := gzcall(72, uintptr(fd), uintptr(cmd), uintptr(arg))
	if r < 0 {
		return -1, int32(-r)
	}
	return int32(r), 0
}

func readRandom(r []byte) int {
	for i := 0; i < len(r); i += 8 {
		bits := gzRandom()
		for j := i; j < len(r) && j < i+8; j++ {
			r[j] = byte(bits)
			bits >>= 8
		}
	}
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
