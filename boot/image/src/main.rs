//! Writes a disk image that boots the kernel: `image bios|uefi KERNEL IMAGE`.

use bootloader::{BiosBoot, BootConfig, UefiBoot};
use std::env;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [kind, kernel, image] = args.as_slice() else {
        eprintln!("usage: image bios|uefi KERNEL IMAGE");
        return ExitCode::from(64);
    };
    let (kernel, image) = (Path::new(kernel), Path::new(image));
    // The console belongs to the kernel.
    let mut config = BootConfig::default();
    config.serial_logging = false;
    let result = match kind.as_str() {
        "bios" => BiosBoot::new(kernel).set_boot_config(&config).create_disk_image(image),
        "uefi" => UefiBoot::new(kernel).set_boot_config(&config).create_disk_image(image),
        _ => {
            eprintln!("image: neither bios nor uefi: '{kind}'");
            return ExitCode::from(64);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("image: {}: {error:#}", image.display());
            ExitCode::FAILURE
        }
    }
}
