//! What a return address says of its frame, decoded from `.eh_frame` (System V ABI, x86-64 supplement, 3.7; DWARF 5, 6.4).

use super::personality;
use crate::image;
use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, NativeEndian, Pointer, Register, RegisterRule,
    UnwindContext, UnwindContextStorage, UnwindSection, UnwindTableRow, X86_64,
};

/// The frame of a call, by its return address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The register that the CFA, the caller's stack pointer after the return, is told from.
    pub base: Base,
    /// The CFA's distance from it.
    pub cfa_offset: i32,
    /// How many words below the CFA the caller's rbx, rbp, r12, r13, r14 and r15 lie; 0: where they are. The return address is the first word.
    pub saved: [u8; 6],
    /// What happens when a panic passes.
    pub landing: Landing,
}

/// A CFA's register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Without a frame pointer.
    Rsp,
    /// With a frame pointer.
    Rbp,
}

/// What a call's function does when a panic comes out of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// Nothing.
    None,
    /// Runs destructors at this address, and resumes.
    Cleanup(usize),
    /// Ends the unwinding at this address.
    Catch(usize),
    /// No panic may come out of it.
    Forbidden,
}

/// Why there is no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecodable {
    /// Not an address in a function that has frames: the stack ends here.
    NoFrame,
    /// Rules that no [`Row`] can hold.
    Malformed,
}

impl From<gimli::Error> for Undecodable {
    fn from(_: gimli::Error) -> Undecodable {
        Undecodable::Malformed
    }
}

/// The registers of [`Row::saved`] by their DWARF numbers.
const SAVED: [Register; 6] = [X86_64::RBX, X86_64::RBP, X86_64::R12, X86_64::R13, X86_64::R14, X86_64::R15];

/// `gimli`'s working memory, on the stack. A row has at most the 17 registers of x86-64; the compiler nests no remembered states.
struct OnStack;

impl UnwindContextStorage<usize> for OnStack {
    type Rules = [(Register, RegisterRule<usize>); 32];
    type Stack = [UnwindTableRow<usize, Self>; 2];
}

unsafe extern "C" {
    safe static __eh_frame_hdr_start: u8;
    safe static __eh_frame_hdr_end: u8;
    safe static __eh_frame_start: u8;
    safe static __eh_frame_end: u8;
    safe static __text_start: u8;
    safe static __text_end: u8;
}

/// The bytes of a section between two of the linker script's symbols.
fn section(start: &'static u8, end: &'static u8) -> EndianSlice<'static, NativeEndian> {
    let (start, end) = (&raw const *start, &raw const *end);
    // SAFETY: both are the linker script's, round a section that is never written.
    let bytes = unsafe { core::slice::from_raw_parts(start, end as usize - start as usize) };
    EndianSlice::new(bytes, NativeEndian)
}

/// The row of the call that returns to `pc`.
///
/// # Errors
/// [`Undecodable`].
#[cold]
#[inline(never)]
pub fn decode(pc: usize) -> Result<Row, Undecodable> {
    let text = &raw const __text_start as usize..&raw const __text_end as usize;
    // The call itself is before the return address, which may be another function's first.
    let call = pc.checked_sub(1).filter(|at| text.contains(at)).ok_or(Undecodable::NoFrame)? as u64;
    let hdr = section(&__eh_frame_hdr_start, &__eh_frame_hdr_end);
    let eh_frame = section(&__eh_frame_start, &__eh_frame_end);
    let address = |section: EndianSlice<'static, NativeEndian>| section.slice().as_ptr() as u64;
    let bases = BaseAddresses::default().set_eh_frame_hdr(address(hdr)).set_eh_frame(address(eh_frame));
    let hdr = EhFrameHdr::from(hdr).parse(&bases, size_of::<usize>() as u8)?;
    let eh_frame = EhFrame::from(eh_frame);
    let table = hdr.table().ok_or(Undecodable::Malformed)?;
    let fde = table
        .fde_for_address(&eh_frame, &bases, call, EhFrame::cie_from_offset)
        .map_err(|_| Undecodable::NoFrame)?;
    if fde.is_signal_trampoline() {
        return Err(Undecodable::Malformed);
    }
    let mut context = UnwindContext::<usize, OnStack>::new_in();
    let row = fde.unwind_info_for_address(&eh_frame, &bases, &mut context, call)?;
    let landing = match (fde.personality(), fde.lsda()) {
        (Some(routine), Some(Pointer::Direct(lsda))) => {
            let lsda = image::actual(lsda as usize);
            personality::ask(routine, lsda, fde.initial_address() as usize, pc)
        }
        _ => Landing::None,
    };
    compact(row, landing).ok_or(Undecodable::Malformed)
}

fn compact(row: &UnwindTableRow<usize, OnStack>, landing: Landing) -> Option<Row> {
    let CfaRule::RegisterAndOffset { register, offset } = *row.cfa() else { return None };
    let base = match register {
        X86_64::RSP => Base::Rsp,
        X86_64::RBP => Base::Rbp,
        _ => return None,
    };
    let mut saved = [0; 6];
    for (register, rule) in row.registers() {
        let words = match rule {
            RegisterRule::Undefined | RegisterRule::SameValue => 0,
            RegisterRule::Offset(offset @ ..=-8) if offset % 8 == 0 => u8::try_from(offset / -8).ok()?,
            _ => return None,
        };
        if *register == X86_64::RA {
            if words != 1 {
                return None;
            }
        } else if let Some(index) = SAVED.iter().position(|saved| saved == register) {
            saved[index] = words;
        } else if words != 0 {
            return None;
        }
    }
    let cfa_offset = i32::try_from(offset).ok()?;
    (row.saved_args_size() == 0).then_some(Row { base, cfa_offset, saved, landing })
}
