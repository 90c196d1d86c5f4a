//! The image at an address drawn at boot.
//!
//! # The problem
//! The image is linked for one address, [`KERNEL_BASE`] and 2 MiB, and its code has addresses of 32 bits in it (the code model `kernel`), so it can lie in the
//! highest 2 GiB only. No boot protocol moves it: PVH enters it where it is linked to, and `bootloader` moves position-independent images only,
//! to places below those 2 GiB.
//!
//! # The protocol
//! 1. The linker leaves its relocations in the ELF (`--emit-relocs`), and `boot` (`boot/src/relocations.rs`) writes the places of all absolute addresses into
//!    `.gzero.relocations`. Little endian: a magic `u64`, `count: u32`, then `count` times a `u32`, which is the place's offset from [`KERNEL_BASE`], with
//!    [`WIDE`] if the address has 64 bits and not 32.
//! 2. The boot protocol's code runs where the image is linked to, on the boot protocol's page tables. It leaves no address in memory but on its stack and in the
//!    `BootInfo`.
//! 3. A page in the last GiB is drawn, [`FIRST`] to [`LAST`], where neither protocol maps anything, and the image is mapped there a second time, in the boot protocol's
//!    tables. Frames for tables come from the end of the memory from whose start the kernel's own will: nobody needs them any longer when that memory is given out.
//! 4. What it is moved by is added to each place of the table. Meanwhile both mappings are there, so it does not matter which of two addresses code gets to see. The
//!    loop that adds has none itself.
//! 5. A serialising instruction, then the stack pointer and the `BootInfo`'s address are moved and the code jumps ([`arrive`]).
//! 6. The kernel's own page tables have the image at its new place only: an address that was forgotten is a page fault.
//!
//! Nothing is slower than before: an image at another address has the same instructions.
//!
//! # What has addresses as linked
//! `.eh_frame`, for which the linker leaves no relocations: the unwinder adds ([`image::actual`]). Tracebacks subtract ([`image::linked`]), so that the image's ELF explains
//! them whatever was drawn.
//!
//! # Rejected
//! - *A position-independent image* (`relocation-model=pie`): an instruction more wherever a static table is indexed, and `bootloader` would place it at the start of
//!   one of 512 ranges of 512 GiB, PVH not at all.
//! - *Places in all of the 2 GiB*, 19 bits in place of 18: PVH's tables map the first of them.

use crate::cpu::entropy;
use crate::device::debugcon;
use crate::image::{self, KERNEL_BASE, PHYSICAL_MEMORY_OFFSET};
use crate::memory::{self, FRAME_SIZE};
use crate::reserved::reserve_section;
use bootloader_api::BootInfo;
use core::arch::global_asm;

/// The lowest address that is drawn, and the highest that a moved image may have. The margin is for addresses a little beyond the end, which indexes are added to.
const FIRST: usize = 0xffff_ffff_c000_0000;
const LAST: usize = 0xffff_ffff_ffe0_0000;

/// Bytes reserved for the table.
const SIZE: usize = 256 * 1024;

/// "GZREL0", read as a number.
const MAGIC: u64 = 0x304c_4552_5a47;

const HEADER: usize = 12;

/// Of an entry: the address has 64 bits.
const WIDE: u32 = 1 << 31;

reserve_section!(".gzero.relocations", __gzero_relocations, SIZE);

global_asm!(
    r#"
    .text
    .globl relocate_image
    .type relocate_image, @function
relocate_image:
    .cfi_startproc
    .cfi_undefined %rip
1:
    movl (%rsi), %eax
    movl %eax, %r9d
    andl ${offset}, %r9d
    testl ${wide}, %eax
    jnz 2f
    addl %edx, (%r8,%r9)
    jmp 3f
2:
    addq %rdx, (%r8,%r9)
3:
    addq $4, %rsi
    decl %ecx
    jnz 1b
    movq %cr3, %rax                 /* serialises (SDM vol. 3, 9.3) */
    movq %rax, %cr3
    addq %rdx, %rsp
    andq $-16, %rsp
    xorl %ebp, %ebp
    addq %rdx, %rdi
    movq %rdx, %rsi
    leaq 4f(%rip), %rax
    addq %rdx, %rax
    jmpq *%rax
4:
    callq {arrive}
    ud2
    .cfi_endproc
    .size relocate_image, . - relocate_image
"#,
    offset = const !WIDE,
    wide = const WIDE,
    arrive = sym arrive,
    options(att_syntax)
);

unsafe extern "sysv64" {
    /// Steps 4 and 5. `mapped` is where [`KERNEL_BASE`] would lie.
    ///
    /// # Safety
    /// `count`, which is not 0, entries are at `entries`; the image is mapped, and may be written, where it is to be.
    fn relocate_image(info: *mut u8, entries: *const u8, by: usize, count: u32, mapped: usize) -> !;
}

/// Goes on in [`super::arrive`], at a drawn address if addresses are drawn, the image can be moved and its memory map has room.
pub fn enter(mut info: BootInfo) -> ! {
    if let Some((count, by)) = entries().zip(map_moved(&info)) {
        let entries = &raw const __gzero_relocations[HEADER];
        // SAFETY: the table was written by `boot`, and the image has just been mapped there.
        unsafe { relocate_image((&raw mut info).cast(), entries, by, count, KERNEL_BASE + by) };
    }
    super::arrive(info)
}

/// First code at the new address.
extern "sysv64" fn arrive(info: *mut BootInfo, by: usize) -> ! {
    image::set_moved_by(by);
    debugcon::tell_moved(by);
    // SAFETY: it lies below on the same stack, was moved with it, and `enter` does not go on.
    let mut info = unsafe { info.read() };
    info.kernel_image_offset += by as u64;
    super::arrive(info)
}

/// How many entries the table has; none if `boot` wrote no table.
fn entries() -> Option<u32> {
    let word =
        |at: usize| u32::from_le_bytes(*__gzero_relocations[at..].first_chunk().expect("in the header"));
    let magic = u64::from(word(0)) | u64::from(word(4)) << 32;
    Some(word(8)).filter(|&count| magic == MAGIC && count != 0)
}

/// Step 3. By how much the second mapping lies higher; none if there is none.
fn map_moved(info: &BootInfo) -> Option<usize> {
    let known = info.physical_memory_offset.into_option() == Some(PHYSICAL_MEMORY_OFFSET);
    if !image::is_drawn() || !known {
        return None;
    }
    let image = image::addresses();
    let places = (LAST - FIRST).checked_sub(image.end - image.start)? / FRAME_SIZE;
    let by = FIRST + entropy::below(places as u64 + 1) as usize * FRAME_SIZE - image.start;
    memory::map_image_again(&info.memory_regions, image, by).then_some(by)
}

#[cfg(feature = "kernel-tests")]
mod tests {
    use super::*;
    use crate::image::{boot_stack, linked, moved_by};
    use crate::memory::paging;

    unsafe extern "C" {
        safe static __eh_frame_start: u8;
        safe static __eh_frame_end: u8;
        safe static __text_start: u8;
        safe static __text_end: u8;
    }

    #[runtime::kernel_test]
    fn it_lies_where_it_was_drawn() {
        let image = image::addresses();
        // As distances: constants in the image with addresses there are what the next test looks for.
        assert_eq!(image.start - moved_by() - KERNEL_BASE, 0x20_0000);
        assert_eq!(moved_by() != 0, image::is_drawn());
        assert!(moved_by() == 0 || (FIRST <= image.start && image.end <= LAST));
        assert_eq!(linked(image.start + 1) - KERNEL_BASE, 0x20_0001);
        assert_eq!(linked(0x1000), 0x1000);
    }

    /// Nothing is at the old place, and no constant or static has an address there. Left out are code, whose instructions are at any byte, what the linker
    /// leaves no relocations for, and the boot stack, on which the boot protocol's frames lie.
    #[runtime::kernel_test]
    fn no_address_is_left() {
        if moved_by() == 0 {
            return;
        }
        let old = image::addresses().start - moved_by()..image::addresses().end - moved_by();
        assert!(old.clone().step_by(FRAME_SIZE).all(|page| paging::translate(page).is_none()));
        let range = |start: &u8, end: &u8| &raw const *start as usize..&raw const *end as usize;
        let stack = boot_stack().start - FRAME_SIZE..boot_stack().end;
        let out = [range(&__eh_frame_start, &__eh_frame_end), range(&__text_start, &__text_end), stack];
        let words =
            image::addresses().step_by(8).filter(|word| !out.iter().any(|range| range.contains(word)));
        let mut addresses = 0;
        for word in words {
            // SAFETY: all of the image but the page below the boot stack is mapped; the word may be another core's to write.
            let value = unsafe { (word as *const usize).read_volatile() };
            assert!(!old.contains(&value), "{word:#x} has {value:#x}");
            addresses += usize::from(image::addresses().contains(&value));
        }
        assert!(addresses > 1000, "{addresses}");
    }
}
