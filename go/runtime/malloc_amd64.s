// Allocation of small objects: from the current P's runs of free slots (runtime/src/gc/run.rs in the kernel), by adding. What is not to be had so
// is left to the kernel: a run at its end, and objects above 512 bytes.
//
// Nobody is preempted in here, as in all assembly: the P is ours, and no collection sees a slot that was taken before its bits are written.

#include "go_asm.h"
#include "textflag.h"

// A run of a span class, from a P on; without pointers it is the one behind.
#define RUN(class, noscan)	(const_gzKernelPRuns+(2*(class)+(noscan))*const_gzKernelRunBytes)
#define NEXT	const_gzKernelRunNext
#define END	const_gzKernelRunEnd
#define BITMAP	const_gzKernelRunBitmap
#define SLOT	const_gzKernelRunSize

// The current P.
#define GETP \
	MOVQ	const_gzKernelGM(R14), DX \
	MOVQ	const_gzKernelMP(DX), DX

// R8 is a slot of the run.
#define TAKE(class, noscan, size) \
	GETP \
	MOVQ	(RUN(class, noscan)+NEXT)(DX), R8 \
	CMPQ	R8, (RUN(class, noscan)+END)(DX) \
	JAE	slow \
	LEAQ	size(R8), R9 \
	MOVQ	R9, (RUN(class, noscan)+NEXT)(DX)

// The same for a size that is known at run time. In: SI = size + 7. Out: R8 = the slot, DI = its
// end, DX = the P plus the offset of the class's row.
#define TAKESIZE(noscan) \
	GETP \
	SHRQ	$3, SI \
	LEAQ	runtime·gzclasses(SB), DI \
	MOVWLZX	(DI)(SI*2), SI \
	ADDQ	SI, DX \
	MOVQ	(RUN(0, noscan)+NEXT)(DX), R8 \
	CMPQ	R8, (RUN(0, noscan)+END)(DX) \
	JAE	slow \
	MOVQ	(RUN(0, noscan)+SLOT)(DX), DI \
	ADDQ	R8, DI \
	MOVQ	DI, (RUN(0, noscan)+NEXT)(DX)

// R11 is the byte of a span's bitmap where the bits of the slot R8 begin: a span of small objects with pointers is a page of 8 KiB, and a byte
// stands for 64 bytes.
#define BYTE \
	MOVQ	R8, R11 \
	SHRQ	$6, R11 \
	ANDL	$127, R11

// Which words of the slot R8 are pointers is in R10. Bits of a taken slot are clear.
#define BITS(bitmap) \
	BYTE \
	MOVQ	R8, CX \
	SHRQ	$3, CX \
	ANDL	$7, CX \
	SHLQ	CX, R10 \
	MOVQ	bitmap(DX), R9 \
	ORQ	R10, (R9)(R11*1)

// The same of an object of the type BX, for a size that the compiler knows.
#define TYPE(class) \
	MOVQ	const_gzTypeMask(BX), R10 \
	MOVQ	(R10), R10 \
	BITS((RUN(class, 0)+BITMAP))

#define DONE \
	MOVQ	R8, AX \
	RET \
slow: \
	JMP	runtime·mallocgc<ABIInternal>(SB)

// Zeros a slot of the size, at R8.
#define ZERO8	MOVQ	$0, (R8)
#define ZERO16	MOVUPS	X15, (R8)
#define ZERO24 \
	ZERO16 \
	MOVQ	$0, 16(R8)
#define ZERO32 \
	ZERO16 \
	MOVUPS	X15, 16(R8)
#define ZERO48 \
	ZERO32 \
	MOVUPS	X15, 32(R8)
#define ZERO64 \
	ZERO48 \
	MOVUPS	X15, 48(R8)
#define ZERO80 \
	ZERO64 \
	MOVUPS	X15, 64(R8)

// What the compiler calls for an object with pointers, and without, of a size class that it knows.
#define SCAN(name, class, size, zero) \
TEXT name<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-32 \
	TAKE(class, 0, size) \
	TYPE(class) \
	zero \
	DONE
#define NOSCAN(name, class, size, zero) \
TEXT name<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-32 \
	TAKE(class, 1, size) \
	zero \
	DONE

// A word with a pointer needs no bit: it is all there is.
TEXT runtime·mallocgcSmallScanNoHeaderSC1<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-32
	TAKE(1, 0, 8)
	ZERO8
	DONE

SCAN(runtime·mallocgcSmallScanNoHeaderSC2, 2, 16, ZERO16)
SCAN(runtime·mallocgcSmallScanNoHeaderSC3, 3, 24, ZERO24)
SCAN(runtime·mallocgcSmallScanNoHeaderSC4, 4, 32, ZERO32)
SCAN(runtime·mallocgcSmallScanNoHeaderSC5, 5, 48, ZERO48)

// The bits of 64 bytes are a byte of their own.
TEXT runtime·mallocgcSmallScanNoHeaderSC6<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-32
	TAKE(6, 0, 64)
	MOVQ	const_gzTypeMask(BX), R10
	MOVBLZX	(R10), R10
	BYTE
	MOVQ	(RUN(6, 0)+BITMAP)(DX), R9
	MOVB	R10, (R9)(R11*1)
	ZERO64
	DONE

SCAN(runtime·mallocgcSmallScanNoHeaderSC7, 7, 80, ZERO80)

NOSCAN(runtime·mallocgcSmallNoScanSC1, 1, 8, ZERO8)
NOSCAN(runtime·mallocgcSmallNoScanSC2, 2, 16, ZERO16)
NOSCAN(runtime·mallocgcSmallNoScanSC3, 3, 24, ZERO24)
NOSCAN(runtime·mallocgcSmallNoScanSC4, 4, 32, ZERO32)
NOSCAN(runtime·mallocgcSmallNoScanSC5, 5, 48, ZERO48)
NOSCAN(runtime·mallocgcSmallNoScanSC6, 6, 64, ZERO64)
NOSCAN(runtime·mallocgcSmallNoScanSC7, 7, 80, ZERO80)

// Objects of less than 16 bytes without pointers share blocks of 16. AX is the size, R8 where the block at hand has room if it has.
#define TINY \
	GETP \
	MOVQ	const_gzKernelTinyOffset(DX), R8 \
	TESTB	$7, AX \
	JNE	unaligned \
	ADDQ	$7, R8 \
	ANDQ	$~7, R8 \
aligned: \
	LEAQ	(R8)(AX*1), R9 \
	CMPQ	R9, $16 \
	JHI	block \
	MOVQ	R9, const_gzKernelTinyOffset(DX) \
	INCQ	const_gzKernelTinyAllocs(DX) \
	ADDQ	const_gzKernelTiny(DX), R8 \
	MOVQ	R8, AX \
	RET \
unaligned: \
	TESTB	$1, AX \
	JNE	aligned \
	INCQ	R8 \
	ANDQ	$~1, R8 \
	TESTB	$3, AX \
	JNE	aligned \
	ADDQ	$3, R8 \
	ANDQ	$~3, R8 \
	JMP	aligned \
block: \
	MOVQ	(RUN(2, 1)+NEXT)(DX), R8 \
	CMPQ	R8, (RUN(2, 1)+END)(DX) \
	JAE	tinyslow \
	LEAQ	16(R8), R9 \
	MOVQ	R9, (RUN(2, 1)+NEXT)(DX) \
	ZERO16 \
	CMPQ	AX, const_gzKernelTinyOffset(DX) \
	JAE	kept \
	MOVQ	R8, const_gzKernelTiny(DX) \
	MOVQ	AX, const_gzKernelTinyOffset(DX) \
kept: \
	MOVQ	R8, AX \
	RET

TEXT runtime·mallocgcTinySC2<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-32
	TINY
tinyslow:
	JMP	runtime·gzmalloc<>(SB)

// func newobject(typ *_type) unsafe.Pointer
TEXT runtime·newobject<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ	AX, BX
	MOVQ	const_gzTypeSize(AX), AX
	MOVL	$1, CX
	JMP	runtime·mallocgc<ABIInternal>(SB)

// func mallocgc(size uintptr, typ *_type, needzero bool) unsafe.Pointer
TEXT runtime·mallocgc<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-32
	CMPQ	AX, $512
	JHI	slow
	TESTQ	BX, BX
	JEQ	noscan
	CMPQ	const_gzTypePtrBytes(BX), $0
	JEQ	noscan
	LEAQ	7(AX), SI
	TAKESIZE(0)
	MOVQ	const_gzTypeMask(BX), R10
	MOVQ	(R10), R10
	MOVQ	const_gzTypeSize(BX), R9
	CMPQ	AX, R9
	JNE	repeat
bits:
	BITS((RUN(0, 0)+BITMAP))
clear:
	// From R8 to DI: 32 bytes at a time, and the last 32 whatever was cleared of them before.
	LEAQ	32(R8), R10
	CMPQ	R10, DI
	JHI	few
loop:
	MOVUPS	X15, -32(R10)
	MOVUPS	X15, -16(R10)
	ADDQ	$32, R10
	CMPQ	R10, DI
	JLS	loop
	MOVUPS	X15, -32(DI)
	MOVUPS	X15, -16(DI)
	MOVQ	R8, AX
	RET
few:
	// 8, 16 or 24.
	MOVQ	$0, (R8)
	LEAQ	8(R8), R10
	CMPQ	R10, DI
	JEQ	done
	MOVUPS	X15, -16(DI)
done:
	MOVQ	R8, AX
	RET
repeat:
	// An array: each round doubles the elements that the bits in R10 cover. What lies behind the object is cut off.
	SHRQ	$3, R9
	MOVQ	AX, R11
	SHRQ	$3, R11
double:
	CMPQ	R9, R11
	JAE	cut
	MOVQ	R9, CX
	MOVQ	R10, R12
	SHLQ	CX, R12
	ORQ	R12, R10
	SHLQ	$1, R9
	JMP	double
cut:
	MOVL	$64, CX
	SUBQ	R11, CX
	SHLQ	CX, R10
	SHRQ	CX, R10
	JMP	bits
noscan:
	CMPQ	AX, $16
	JCS	small
	LEAQ	7(AX), SI
	TAKESIZE(1)
	TESTB	CX, CX
	JNE	clear
	JMP	done
small:
	TESTQ	AX, AX
	JEQ	nothing
	TINY
tinyslow:
slow:
	JMP	runtime·gzmalloc<>(SB)
nothing:
	LEAQ	runtime·zerobase(SB), AX
	RET

// func makechan(t *chantype, size int) *hchan: as in gzmakechan, if the elements have no pointers, nobody is in a bubble, and all is small. A
// channel's words are 0 but for those of which the layout speaks (Hchan in the kernel).
TEXT runtime·makechan<ABIInternal>(SB), NOSPLIT|NOFRAME, $0-24
	MOVQ	const_gzChanTypeElem(AX), CX
	CMPQ	const_gzTypePtrBytes(CX), $0
	JNE	slow
	CMPQ	g_bubble(R14), $0
	JNE	slow
	MOVQ	const_gzTypeSize(CX), R9
	CMPQ	R9, $512
	JHI	slow
	CMPQ	BX, $512
	JHI	slow
	MOVQ	R9, SI
	IMULQ	BX, SI
	CMPQ	SI, $(512-hchan__size)
	JHI	slow
	ADDQ	$(hchan__size+7), SI
	TAKESIZE(1)
	// All of it: gzChanBytes.
	ZERO80
	MOVUPS	X15, 80(R8)
	MOVUPS	X15, 96(R8)
	MOVUPS	X15, 112(R8)
	MOVQ	$0, 128(R8)
	MOVQ	BX, hchan_dataqsiz(R8)
	LEAQ	hchan__size(R8), DI
	MOVQ	DI, hchan_buf(R8)
	MOVQ	R9, hchan_elemsize(R8)
	MOVQ	CX, hchan_elemtype(R8)
	// With a buffer for words it has the short way.
	CMPQ	R9, $8
	JNE	made
	TESTQ	BX, BX
	SETNE	const_gzKernelChanShort(R8)
made:
	MOVQ	R8, AX
	RET
slow:
	JMP	runtime·gzmakechan<ABIInternal>(SB)

// The kernel's mallocgc, which may collect: the goroutine may come back on another M. On a scheduler's stack, too, which stays where it is.
TEXT runtime·gzmalloc<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	AX, DI
	MOVQ	BX, SI
	MOVBLZX	CX, DX
	PUSHQ	BP
	MOVQ	SP, BP
	ANDQ	$~15, SP
	MOVQ	runtime·gztable+(8*48)(SB), R11
	CALL	R11
	MOVQ	BP, SP
	POPQ	BP
	XORPS	X15, X15
	MOVQ	const_gzKernelGM(R14), R11
	MOVQ	const_gzKernelMGoM(R11), R11
	CMPQ	R14, m_g0(R11)
	JEQ	scheduler
	MOVQ	R11, g_m(R14)
	MOVQ	R14, m_curg(R11)
	TESTQ	DX, DX
	JNE	sampled
scheduler:
	RET
sampled:
	JMP	runtime·gzsample<>(SB)

// The heap profile is to have the object AX of DX bytes. A function of its own: an unwinder does
// not go beyond one that sets SP. The arguments need room to be spilled to, which the assembler
// counts if it is pushed; the collector looks at this frame word by word.
TEXT runtime·gzsample<>(SB), NOSPLIT|NOFRAME, $0-0
	PUSHQ	BP
	MOVQ	SP, BP
	PUSHQ	AX
	PUSHQ	DX
	PUSHQ	DX
	MOVQ	DX, BX
	CALL	runtime·gzsampled<ABIInternal>(SB)
	POPQ	DX
	POPQ	DX
	POPQ	AX
	POPQ	BP
	RET
