//! What a processor without a 64-bit mode gets to see: one line on the first serial port, and the end.
//!
//! In 32-bit code, before anything else, because the next step towards 64-bit mode is a fault whose handler there is none for.
//! Only QEMU can be ended from here, by the debug console and the debug-exit device as in [`power`](crate::cpu::power); another machine halts.
//! Disk images have no need of this: SeaBIOS and OVMF hand over to `bootloader`, which is in 64-bit mode when it calls the kernel.

use core::arch::global_asm;

global_asm!(
    r#"
    .section .rodata.long_mode, "a"
no_long_mode_text:
    .ascii "fatal error: this processor has no 64-bit mode (long mode): Gzero needs an x86-64\n"
no_long_mode_end:

    .section .text.boot, "ax"
    .code32
    /* Returns if there is a 64-bit mode. Keeps edi, esi, ebp. */
    .globl require_long_mode
require_long_mode:
    pushfl                          /* CPUID exists where EFLAGS.ID can be changed (SDM vol. 1, 20.1.2) */
    popl %eax
    movl %eax, %ecx
    xorl $0x200000, %eax
    pushl %eax
    popfl
    pushfl
    popl %eax
    xorl %ecx, %eax
    testl $0x200000, %eax
    jz no_long_mode
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb no_long_mode
    movl $0x80000001, %eax
    cpuid
    testl $(1 << 29), %edx          /* LM */
    jz no_long_mode
    ret

no_long_mode:
    movw $0x3fb, %dx                /* COM1's line control: 115200 baud, 8N1 */
    movb $0x80, %al
    outb %al, %dx
    movw $0x3f8, %dx
    movb $1, %al
    outb %al, %dx
    incw %dx
    decb %al
    outb %al, %dx
    movw $0x3fb, %dx
    movb $3, %al
    outb %al, %dx
    movl $(no_long_mode_text - {base}), %esi
1:
    movl $0x100000, %ecx            /* a port that is never ready is left to itself */
    movw $0x3fd, %dx
2:
    inb %dx, %al                    /* line status: room for a byte */
    testb $0x20, %al
    jnz 3f
    loop 2b
3:
    lodsb
    movw $0x3f8, %dx
    outb %al, %dx
    cmpl $(no_long_mode_end - {base}), %esi
    jb 1b

    inb $0xe9, %al
    cmpb $0xe9, %al                 /* the debug console reads as its own number */
    jne 4f
    movb $'2', %al
    outb %al, $0xe9
    movb $'\n', %al
    outb %al, $0xe9
4:
    movl $2, %eax
    outl %eax, $0xf4
5:
    cli
    hlt
    jmp 5b
    .code64
    .text
"#,
    base = const crate::image::KERNEL_BASE,
    options(att_syntax)
);
