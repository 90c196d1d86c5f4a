// Go's registers to System V's and back, the program's entry, and the first frame of a goroutine.

#include "go_asm.h"
#include "go_tls.h"
#include "textflag.h"
#include "funcdata.h"

// The kernel's functions, in the order of TABLE in runtime/src/goabi/table.rs.
#define TABLE 71
GLOBL runtime·gztable(SB), NOPTR, $(8*TABLE)

// Go's ABIInternal passes integers in AX BX CX DI SI R8 and returns them in AX BX; R14 is g, X15 is
// 0, SP and BP are kept, all else is the caller's to save. System V passes them in DI SI DX CX R8
// R9 and returns them in AX DX; it keeps R14 and BP. The frame pointer is pushed by its code: the
// assembler counts a PUSHQ, but not that LEAVEQ takes it off.
#define PUSHBP	BYTE	$0x55
#define CALLRUST(index) \
	PUSHBP \
	MOVQ	SP, BP \
	ANDQ	$~15, SP \
	MOVQ	runtime·gztable+(8*index)(SB), R11 \
	CALL	R11 \
	LEAVEQ \
	XORPS	X15, X15

// The goroutine may have come back on another M: Go's m of that one is its m now.
#define BIND \
	MOVQ	const_gzKernelGM(R14), R11 \
	MOVQ	const_gzKernelMGoM(R11), R11 \
	MOVQ	R11, g_m(R14) \
	MOVQ	R14, m_curg(R11)

#define ARG0
#define ARG1 \
	MOVQ	AX, DI
#define ARG2 \
	MOVQ	AX, DI \
	MOVQ	BX, SI
#define ARG3 \
	MOVQ	AX, DI \
	MOVQ	BX, SI \
	MOVQ	CX, DX
#define ARG4 \
	MOVQ	DI, R10 \
	ARG3 \
	MOVQ	R10, CX
#define ARG5 \
	MOVQ	SI, R8 \
	ARG4

// The kernel's part of a timer.
#define TIMER \
	ADDQ	$timeTimer_kernel, AX

// A function that returns at once, on whatever stack.
#define RUST(name, index, args) \
TEXT name<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-0 \
	args \
	CALLRUST(index) \
	MOVQ	DX, BX \
	RET

// A function that may park the goroutine which calls it. None has two results.
#define PARKS(name, index, args) \
TEXT name<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-0 \
	args \
	CALLRUST(index) \
	BIND \
	RET

RUST(runtime·gzRegister, 0, ARG1)
RUST(runtime·gzRandom, 1, ARG0)
RUST(runtime·gzArg, 2, ARG2)
RUST(runtime·gzEnviron, 3, ARG2)
PARKS(runtime·gzSyscall, 4, ARG4)
RUST(runtime·write1, 5, ARG3)
RUST(runtime·gzReadRandom, 6, ARG2)
RUST(runtime·exit, 7, ARG1)
RUST(runtime·gzNanotime, 8, ARG0)
RUST(runtime·gzPersistent, 10, ARG1)
RUST(runtime·lock, 11, ARG1)
RUST(runtime·lock2, 11, ARG1)
RUST(runtime·unlock, 12, ARG1)
RUST(runtime·unlock2, 12, ARG1)
RUST(runtime·osyield, 13, ARG0)
PARKS(runtime·Gosched, 16, ARG0)
PARKS(runtime·gzPark, 17, ARG1)
RUST(runtime·gzProcid, 18, ARG0)
PARKS(runtime·gzGomaxprocs, 19, ARG1)
RUST(runtime·gzNumgoroutine, 20, ARG0)
RUST(runtime·gzLockOSThread, 21, ARG1)
RUST(runtime·gzFreezeTheWorld, 22, ARG0)
RUST(runtime·gzNextG, 23, ARG1)
RUST(runtime·gzCoroStart, 24, ARG2)
RUST(runtime·gzCoroExit, 26, ARG1)
RUST(runtime·gzMakechan, 27, ARG5)
PARKS(runtime·gzChansend, 28, ARG2)
PARKS(runtime·gzChanrecv, 29, ARG2)
RUST(runtime·gzChansendNB, 44, ARG2)
RUST(runtime·gzChanrecvNB, 45, ARG2)
RUST(runtime·gzClosechan, 30, ARG1)
PARKS(runtime·gzSemacquire, 32, ARG3)
PARKS(runtime·gzSemrelease, 33, ARG2)
RUST(runtime·gzCanspin, 34, ARG1)
RUST(runtime·gzDospin, 35, ARG0)
PARKS(runtime·gzNotifyWait, 36, ARG2)
RUST(runtime·gzNotifyAll, 37, ARG1)
RUST(runtime·gzNotifyOne, 38, ARG1)
PARKS(runtime·gzSleep, 39, ARG1)
RUST(runtime·gzTimerInit, 40, ARG5)
RUST(time·stopTimer, 41, TIMER ARG1)
RUST(time·resetTimer, 42, TIMER ARG3)
RUST(runtime·gzNcpu, 43, ARG0)
RUST(runtime·gzDescribe, 46, ARG1)
PARKS(runtime·gzStopTheWorld, 47, ARG1)
PARKS(runtime·gzGC, 49, ARG0)
RUST(runtime·gzSetGCPercent, 50, ARG1)
RUST(runtime·gzSetMemoryLimit, 51, ARG1)
PARKS(runtime·gzFreeOSMemory, 52, ARG0)
PARKS(runtime·gzMemStats, 53, ARG1)
RUST(runtime·gzAddSpecial, 54, ARG3)
RUST(runtime·gzRemoveSpecial, 55, ARG3)
RUST(runtime·gzWeakHandle, 56, ARG1)
PARKS(runtime·gzNextReady, 57, ARG2)
RUST(runtime·gzQueued, 58, ARG0)
RUST(runtime·gzFindObject, 59, ARG1)
RUST(runtime·gzSchedStats, 60, ARG1)
RUST(runtime·gzBubbleBegin, 61, ARG2)
PARKS(runtime·gzBubbleRun, 62, ARG1)
PARKS(runtime·gzBubbleWait, 63, ARG1)
RUST(runtime·gzBubbleHold, 64, ARG2)
RUST(runtime·gzAssociate, 65, ARG3)
RUST(runtime·gzDisassociate, 66, ARG1)
RUST(runtime·gzNano, 67, ARG0)
RUST(runtime·gzSetMaxThreads, 68, ARG1)
RUST(runtime·gzClock, 69, ARG1)
RUST(runtime·gzProfileWaits, 70, ARG3)

// func gztableaddr() *uintptr
TEXT runtime·gztableaddr<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-8
	LEAQ	runtime·gztable(SB), AX
	RET

// func newproc(fn *funcval): the caller's address is where the go statement stands.
TEXT runtime·newproc<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ	AX, DI
	MOVQ	0(SP), SI
	CALLRUST(14)
	RET

// What the next goroutine must not find in this one's g. The g belongs to the goroutine, like its
// stack, and needs no write barrier. No deferred call is left: all have run.
#define CLEAR \
	MOVQ	$0, g__panic(R14) \
	MOVUPS	X15, g_writebuf(R14) \
	MOVQ	$0, (g_writebuf+16)(R14) \
	MOVQ	$0, g_param(R14) \
	MOVQ	$0, g_labels(R14) \
	MOVB	$0, g_paniconfault(R14) \
	MOVB	$0, g_fipsOnlyBypass(R14)

// func gzclear()
TEXT runtime·gzclear<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-0
	CLEAR
	RET

// func goexit1(): also where the first function of a goroutine returns to, by goexit.
TEXT runtime·goexit1(SB), NOSPLIT|NOFRAME, $0-0
	CLEAR
	ANDQ	$~15, SP
	MOVQ	runtime·gztable+(8*15)(SB), R11
	CALL	R11
	UNDEF

// func coroswitch(c *coro): the goroutine that waits in c and the current one change places.
TEXT runtime·coroswitch<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ	coro_gp(AX), DI
	TESTQ	DI, DI
	JEQ	gone
	MOVQ	R14, coro_gp(AX)
	CALLRUST(25)
	BIND
	RET
gone:
	JMP	runtime·corogone<ABIInternal>(SB)

// A send or receive ends with 0: done, 1: would block, 2: the channel is closed; in AL. One that
// may wait says in AH whether it has: else the M is the same.

// func chansend1(c *hchan, elem unsafe.Pointer)
TEXT runtime·chansend1<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-16
	ARG2
	CALLRUST(28)
	TESTW	AX, AX
	JNE	waited
	RET
waited:
	BIND
	TESTB	AX, AX
	JNE	closed
	RET
closed:
	JMP	runtime·panicsendclosed<ABIInternal>(SB)

// func selectnbsend(c *hchan, elem unsafe.Pointer) bool
TEXT runtime·selectnbsend<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-17
	ARG2
	CALLRUST(44)
	CMPB	AX, $1
	JHI	closed
	SETNE	AX
	RET
closed:
	JMP	runtime·panicsendclosed<ABIInternal>(SB)

// func selectnbrecv(elem unsafe.Pointer, c *hchan) (selected, received bool)
TEXT runtime·selectnbrecv<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-18
	MOVQ	BX, DI
	MOVQ	AX, SI
	CALLRUST(45)
	TESTB	AX, AX
	SETEQ	BX
	CMPB	AX, $1
	SETNE	AX
	RET

// func chanrecv1(c *hchan, elem unsafe.Pointer)
TEXT runtime·chanrecv1<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-16
	ARG2
	CALLRUST(29)
	TESTW	AX, AX
	JNE	waited
	RET
waited:
	BIND
	RET

// func chanrecv2(c *hchan, elem unsafe.Pointer) bool
TEXT runtime·chanrecv2<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-17
	ARG2
	CALLRUST(29)
	TESTW	AX, AX
	JNE	waited
	INCL	AX
	RET
waited:
	BIND
	TESTB	AX, AX
	SETEQ	AX
	RET

// func selectgo(cas0 *scase, order0 *uint16, pc0 *uintptr, nsends, nrecvs int, block bool) (int,
// bool)
TEXT runtime·selectgo<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-57
	MOVQ	DI, DX
	MOVQ	SI, CX
	ARG2
	CALLRUST(31)
	BIND
	// 0: no element moved, 1: one did, 2: a send on a closed channel.
	MOVQ	DX, BX
	CMPQ	BX, $1
	JHI	closed
	RET
closed:
	JMP	runtime·panicsendclosed<ABIInternal>(SB)

// func readgstatus(gp *g) uint32
TEXT runtime·readgstatus<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-12
	MOVL	const_gzKernelGStatus(AX), AX
	// Without the kernel's own bits.
	ANDL	$0xfff, AX
	RET

// The bounds of a goroutine's stack, as the kernel has them, and its guard: the end of its shallow part, which every stack has, or of what
// debug.SetMaxStack allows of it, and room above for what the kernel's functions use.
#define GUARD \
	MOVQ	const_gzKernelGStackLo(R14), CX \
	MOVQ	CX, (g_stack+stack_lo)(R14) \
	MOVQ	const_gzKernelGStackHi(R14), BX \
	MOVQ	BX, (g_stack+stack_hi)(R14) \
	MOVL	$const_stackShallow, AX \
	CMPQ	AX, runtime·maxstacksize(SB) \
	CMOVQHI	runtime·maxstacksize(SB), AX \
	SUBQ	AX, BX \
	ADDQ	$const_stackRoom, BX \
	MOVQ	BX, g_stackguard0(R14) \
	MOVQ	BX, g_stackguard1(R14)

// The image's entry, called by the kernel on the first goroutine's stack: DI is the kernel's table, SI its length.
TEXT _rt0_amd64_linux(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	XORL	BP, BP
	ANDQ	$~15, SP
	MOVQ	SI, DX
	MOVQ	DI, SI
	LEAQ	runtime·gztable(SB), DI
	MOVQ	$TABLE, CX
	CLD
	REP; MOVSQ
	get_tls(CX)
	MOVQ	g(CX), R14
	XORPS	X15, X15
	GUARD
	MOVQ	R14, (g_sched+gobuf_g)(R14)
	MOVQ	SP, g_stktopsp(R14)
	MOVQ	$runtime·gzregister<ABIInternal>(SB), AX
	CMPQ	DX, $TABLE
	JNE	mismatch
	CALL	AX
	BIND
	CALL	runtime·gzstart<ABIInternal>(SB)
	UNDEF
mismatch:
	// The kernel's first function refuses what it is told.
	XORL	DI, DI
	MOVQ	runtime·gztable(SB), AX
	CALL	AX
	UNDEF

// Where a goroutine begins, entered by the kernel with nothing but a stack and a null frame pointer.
TEXT runtime·gzgostart(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	get_tls(CX)
	MOVQ	g(CX), R14
	XORPS	X15, X15
	BIND
	GUARD
	MOVQ	R14, (g_sched+gobuf_g)(R14)
	MOVQ	const_gzKernelGGoid(R14), AX
	MOVQ	AX, g_goid(R14)
	MOVQ	const_gzKernelGStartarg(R14), DX
	// Or the closure would live as long as the goroutine.
	MOVQ	$0, const_gzKernelGStartarg(R14)
	MOVQ	SP, g_stktopsp(R14)
	// As if goexit had called.
	LEAQ	runtime·goexit+1(SB), AX
	PUSHQ	AX
	MOVQ	0(DX), AX
	MOVQ	AX, g_startpc(R14)
	JMP	AX

// System V: fn(a, b, c) of Go code, whose frames may not panic, on whatever stack the kernel is on.
TEXT runtime·gzcallgo(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	BP
	MOVQ	SP, BP
	PUSHQ	BX
	PUSHQ	R12
	PUSHQ	R13
	PUSHQ	R14
	PUSHQ	R15
	SUBQ	$40, SP
	MOVQ	CX, R13
	get_tls(CX)
	MOVQ	g(CX), R14
	XORPS	X15, X15
	MOVQ	DI, R12
	MOVQ	SI, AX
	MOVQ	DX, BX
	MOVQ	R13, CX
	CALL	R12
	ADDQ	$40, SP
	POPQ	R15
	POPQ	R14
	POPQ	R13
	POPQ	R12
	POPQ	BX
	POPQ	BP
	RET

// Where newstack sends a goroutine that is to give way: it stands in a prologue, whose address lies above, and DX may be live.
TEXT runtime·gzyield(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	BP
	MOVQ	SP, BP
	PUSHQ	DX
	ANDQ	$~15, SP
	MOVQ	runtime·gztable+(8*16)(SB), R11
	CALL	R11
	LEAQ	-8(BP), SP
	POPQ	DX
	POPQ	BP
	XORPS	X15, X15
	BIND
	RET

// Where newstack sends a goroutine that leaves its stack's shallow part: as gzyield. The kernel's page fault handler does what is to be done.
TEXT runtime·gzdeepen(SB), NOSPLIT|NOFRAME, $0
	MOVQ	(g_stack+stack_hi)(R14), AX
	SUBQ	$(const_stackShallow+1), AX
	MOVBLZX	(AX), AX
	RET

// func usleep(usec uint32)
TEXT runtime·usleep<ABIInternal>(SB), NOSPLIT|NOFRAME, $0
	MOVL	AX, AX
	IMULQ	$1000, AX
	JMP	runtime·gzSleep<ABIInternal>(SB)

// Nanoseconds since the clock's start, in DX, as the kernel counts them (nanotime in
// kernel/src/cpu/clock.rs). It must be asked if the cores' counters are out of step, or if the
// program has made a bubble, whose clock is another.
#define CLOCK(ask) \
	MOVQ	runtime·gzclock(SB), CX \
	LFENCE \
	RDTSC \
	SHLQ	$32, DX \
	ORQ	DX, AX \
	SUBQ	0(CX), AX \
	MULQ	8(CX) \
	SHLQ	$32, AX, DX \
	CMPB	16(CX), $0 \
	JNE	ask

// A func() int64 that returns the time, or what the kernel's function says.
#define NANOTIME(name, kernel) \
TEXT name<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-8 \
	CLOCK(ask) \
	MOVQ	DX, AX \
	RET \
ask: \
	JMP	kernel<ABIInternal>(SB)

NANOTIME(runtime·nanotime1, runtime·gzNanotime)
NANOTIME(time·runtimeNano, runtime·gzNano)

// func time.now() (sec int64, nsec int32, mono int64)
TEXT time·now<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-24
	JMP	time·runtimeNow<ABIInternal>(SB)

// func time.runtimeNow() (sec int64, nsec int32, mono int64)
TEXT time·runtimeNow<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-24
	CLOCK(ask)
	MOVQ	DX, CX
	MOVQ	runtime·gzstarted(SB), BX
	ADDQ	CX, BX
	// Divided by 10^9: by 2^9, and multiplied by 2^75/5^9.
	MOVQ	BX, AX
	SHRQ	$9, AX
	MOVQ	$0x44b82fa09b5a53, DX
	MULQ	DX
	SHRQ	$11, DX
	MOVQ	DX, AX
	IMUL3Q	$1000000000, DX, DX
	SUBQ	DX, BX
	RET
ask:
	PUSHQ	BP
	MOVQ	SP, BP
	SUBQ	$16, SP
	ANDQ	$~15, SP
	MOVQ	SP, DI
	MOVQ	runtime·gztable+(8*9)(SB), R11
	CALL	R11
	MOVQ	0(SP), CX
	MOVQ	BP, SP
	POPQ	BP
	XORPS	X15, X15
	MOVQ	DX, BX
	RET

// What the kept files name and nothing here reaches.
#define NONE(name) \
TEXT name(SB), NOSPLIT|NOFRAME, $0 \
	UNDEF
NONE(runtime·settls)
NONE(runtime·exitThread)
NONE(runtime·read)
NONE(runtime·open)
NONE(runtime·closefd)
NONE(runtime·madvise)
NONE(runtime·morestackc)
