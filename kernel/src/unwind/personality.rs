//! Asking a function's personality routine, the crate `unwinding`'s, what it does when a panic comes out of a call.
//!
//! It reads the language-specific data of the call's function by the accessors below, and answers by what it returns and sets.
//! The answer depends on the return address only: a Rust frame treats all exceptions alike.

use super::row::Landing;
use crate::image;
use core::ffi::c_void;
use gimli::Pointer;
use unwinding::abi::{PersonalityRoutine, UnwindAction, UnwindContext, UnwindReasonCode};

/// "MOZ\0RUST".
const RUST: u64 = u64::from_ne_bytes(*b"MOZ\0RUST");

/// The call that is asked about. Behind the reference that the routine takes for its `UnwindContext`.
struct Call {
    lsda: usize,
    function: usize,
    return_address: usize,
    landing_pad: usize,
}

/// What `routine` says of a call with `return_address` in the function that starts at `function` and whose data is at `lsda`.
pub fn ask(routine: Pointer, lsda: usize, function: usize, return_address: usize) -> Landing {
    let routine = match routine {
        Pointer::Direct(address) => image::actual(address as usize),
        // SAFETY: an address of a pointer, by the compiler.
        Pointer::Indirect(address) => unsafe { *(image::actual(address as usize) as *const usize) },
    };
    // SAFETY: what the compiler names as the personality routine is one.
    let routine = unsafe { core::mem::transmute::<usize, PersonalityRoutine>(routine) };
    let mut call = Call { lsda, function, return_address, landing_pad: 0 };
    let mut ask = |action| {
        let context = (&raw mut call).cast::<UnwindContext<'_>>();
        // SAFETY: the routine passes the context on to the accessors below and does nothing else with it; the exception's address is a value to it.
        unsafe { routine(1, action, RUST, core::ptr::null_mut(), &mut *context) }
    };
    let catches = match ask(UnwindAction::SEARCH_PHASE) {
        UnwindReasonCode::HANDLER_FOUND => true,
        UnwindReasonCode::CONTINUE_UNWIND => false,
        _ => return Landing::Forbidden,
    };
    match ask(UnwindAction::CLEANUP_PHASE) {
        UnwindReasonCode::INSTALL_CONTEXT if catches => Landing::Catch(call.landing_pad),
        UnwindReasonCode::INSTALL_CONTEXT => Landing::Cleanup(call.landing_pad),
        UnwindReasonCode::CONTINUE_UNWIND => Landing::None,
        _ => Landing::Forbidden,
    }
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_GetLanguageSpecificData(call: &Call) -> *mut c_void {
    call.lsda as *mut c_void
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_GetRegionStart(call: &Call) -> usize {
    call.function
}

/// `before` is whether the address is that of the instruction itself, not of the next.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_GetIPInfo(call: &Call, before: &mut i32) -> usize {
    *before = 0;
    call.return_address
}

/// No encoding in a static image is relative to sections.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_GetTextRelBase(_: &Call) -> usize {
    0
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_GetDataRelBase(_: &Call) -> usize {
    0
}

/// Of the registers that a landing pad gets, `Registers::install` knows.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_SetGR(_: &mut Call, _: i32, _: usize) {}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_SetIP(call: &mut Call, landing_pad: usize) {
    call.landing_pad = landing_pad;
}
