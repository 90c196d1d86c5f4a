//! Devices that the kernel itself needs: console, exit, the clock chip, QEMU's configuration.

pub mod debugcon;
pub mod fresh_line;
pub mod fw_cfg;
pub mod power;
pub mod rtc;
pub mod soft_off;
pub mod uart;
