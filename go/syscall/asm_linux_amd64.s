#include "textflag.h"

// func rawSyscallNoError(trap, a1, a2, a3 uintptr) (r1, r2 uintptr)
TEXT ·rawSyscallNoError<ABIInternal>(SB), NOSPLIT|NOFRAME, $0
	JMP	runtime·gzsyscall<ABIInternal>(SB)

// There are no processes: ENOSYS.
// func rawVforkSyscall(trap, a1, a2, a3 uintptr) (r1 uintptr, err Errno)
TEXT ·rawVforkSyscall<ABIInternal>(SB), NOSPLIT|NOFRAME, $0
	MOVQ	$-1, AX
	MOVQ	$38, BX
	RET

// func gettimeofday(tv *Timeval) (err Errno)
// Its callee's arguments, seven words, may be kept below the caller's frame.
TEXT ·gettimeofday<ABIInternal>(SB), NOSPLIT, $64-0
	MOVQ	AX, BX
	MOVQ	$96, AX
	CALL	runtime·gzsyscall<ABIInternal>(SB)
	MOVQ	CX, AX
	RET
