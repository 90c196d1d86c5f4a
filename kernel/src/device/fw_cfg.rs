//! QEMU's fw_cfg files: how the host passes the command line and the program's words (`entry/cmdline.rs`).

use crate::cpu::irq::IrqMutex;
use alloc::vec;
use alloc::vec::Vec;
use core::arch::asm;
use qemu_fw_cfg::FwCfg;
use raw_cpuid::{CpuId, Hypervisor};

/// The device's selector is state that two readers must not share.
static LOCK: IrqMutex<()> = IrqMutex::new(());

/// The port that yields the selected file byte by byte.
const DATA: u16 = 0x511;

/// Reads the fw_cfg file `name`; none if there is no such file or no such device.
///
/// The device is looked for only under QEMU's emulator or KVM: writing its ports on another machine could mean anything.
///
/// # Errors
/// The file's size in bytes, if that is more than `most`.
pub fn read(name: &str, most: usize) -> Option<Result<Vec<u8>, usize>> {
    let hypervisor = CpuId::new().get_hypervisor_info()?.identify();
    if !matches!(hypervisor, Hypervisor::KVM | Hypervisor::QEMU) {
        return None;
    }
    let _one_reader = LOCK.lock();
    // SAFETY: this is a virtual machine of QEMU's kind, and the lock keeps it the only reader.
    let mut device = unsafe { FwCfg::new_for_x86() }.ok()?;
    let file = device.find_file(name)?;
    if file.size() > most {
        return Some(Err(file.size()));
    }
    let mut bytes = vec![0; file.size()];
    // Selects the file. The crate reads with an `in` a byte, each of which leaves a KVM guest; of `rep insb` a thousand share one exit.
    device.read_file_to_buffer(&file, &mut []);
    // SAFETY: reading the data port has no effect but to move on in the file; the destination is `bytes`, which nothing else refers to.
    unsafe {
        asm!(
            "rep insb",
            in("dx") DATA,
            inout("rdi") bytes.as_mut_ptr() => _,
            inout("rcx") bytes.len() => _,
            options(nostack, preserves_flags),
        );
    }
    Some(Ok(bytes))
}
