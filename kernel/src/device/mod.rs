//! Devices that the kernel itself needs: consoles, exit, the clock chip, QEMU's configuration.

pub mod debugcon;
pub mod fw_cfg;
pub mod power;
pub mod rtc;
pub mod soft_off;
pub mod uart;
pub mod virtio;
