//! Devices that the kernel itself needs: consoles, exit, the clock chip, QEMU's configuration.

pub mod debugcon;
pub mod fw_cfg;
pub mod rtc;
pub mod uart;
