//! QEMU's fw_cfg files: how the host passes the command line and the program's words (`loader/cmdline.rs`).

use crate::irq::{IrqMutex, IrqMutexGuard};
use alloc::vec;
use alloc::vec::Vec;
use core::arch::asm;
use qemu_fw_cfg::FwCfg;
use raw_cpuid::{CpuId, Hypervisor};

/// The device's selector is state that two readers must not share.
static LOCK: IrqMutex<()> = IrqMutex::new(());

/// The port that yields the selected file byte by byte.
const DATA: u16 = 0x511;

/// A file that is being read, from its start on.
pub struct File {
    left: usize,
    _one_reader: IrqMutexGuard<'static, ()>,
}

impl File {
    /// The fw_cfg file `name`; none if there is no such file or no such device.
    ///
    /// The device is looked for only under QEMU's emulator or KVM: writing its ports on another machine could mean anything.
    pub fn open(name: &str) -> Option<File> {
        let hypervisor = CpuId::new().get_hypervisor_info()?.identify();
        if !matches!(hypervisor, Hypervisor::KVM | Hypervisor::QEMU) {
            return None;
        }
        let one_reader = LOCK.lock();
        // SAFETY: this is a virtual machine of QEMU's kind, and the lock keeps it the only reader.
        let mut device = unsafe { FwCfg::new_for_x86() }.ok()?;
        let file = device.find_file(name)?;
        // Selects the file.
        device.read_file_to_buffer(&file, &mut []);
        Some(File { left: file.size(), _one_reader: one_reader })
    }

    /// Reads as much of what is left as there is room for; how many bytes that were.
    pub fn read(&mut self, bytes: &mut [u8]) -> usize {
        let n = bytes.len().min(self.left);
        self.left -= n;
        // The crate reads with an `in` a byte, each of which leaves a KVM guest; of `rep insb` a thousand share one exit.
        // SAFETY: reading the data port has no effect but to move on in the file; the destination is `bytes`, which nothing else refers to.
        unsafe {
            asm!(
                "rep insb",
                in("dx") DATA,
                inout("rdi") bytes.as_mut_ptr() => _,
                inout("rcx") n => _,
                options(nostack, preserves_flags),
            );
        }
        n
    }
}

/// Reads all of the fw_cfg file `name`; none as [`File::open`].
///
/// # Errors
/// The file's size in bytes, if that is more than `most`.
pub fn read(name: &str, most: usize) -> Option<Result<Vec<u8>, usize>> {
    let mut file = File::open(name)?;
    if file.left > most {
        return Some(Err(file.left));
    }
    let mut bytes = vec![0; file.left];
    file.read(&mut bytes);
    Some(Ok(bytes))
}
