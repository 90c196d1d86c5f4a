//! QEMU's fw_cfg files: how the host passes a command line to a disk image.

use crate::cpu::irq::IrqMutex;
use alloc::vec::Vec;
use qemu_fw_cfg::FwCfg;
use raw_cpuid::{CpuId, Hypervisor};

/// The device's selector is state that two readers must not share.
static LOCK: IrqMutex<()> = IrqMutex::new(());

/// Reads the fw_cfg file `name`; none if there is no such file or no such device.
///
/// The device is looked for only under QEMU's emulator or KVM: writing its ports on another machine could mean anything.
pub fn read(name: &str) -> Option<Vec<u8>> {
    let hypervisor = CpuId::new().get_hypervisor_info()?.identify();
    if !matches!(hypervisor, Hypervisor::KVM | Hypervisor::QEMU) {
        return None;
    }
    let _one_reader = LOCK.lock();
    // SAFETY: this is a virtual machine of QEMU's kind, and the lock keeps it the only reader.
    let mut device = unsafe { FwCfg::new_for_x86() }.ok()?;
    let file = device.find_file(name)?;
    Some(device.read_file(&file))
}
