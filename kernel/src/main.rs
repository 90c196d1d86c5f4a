//! The machine under the goroutine runtime.
#![no_std]
#![no_main]

extern crate alloc;
extern crate programs;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    loop {}
}
struct A;
unsafe impl core::alloc::GlobalAlloc for A {
    unsafe fn alloc(&self, _: core::alloc::Layout) -> *mut u8 { core::ptr::null_mut() }
    unsafe fn dealloc(&self, _: *mut u8, _: core::alloc::Layout) {}
}
#[global_allocator]
static G: A = A;
use unwinding as _;
