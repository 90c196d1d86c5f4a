//! QEMU's command line.
//!
//! The machine has no default devices: what the kernel drives is named here, and nothing else is there.

use crate::host::Host;
use crate::lifetime::mortal;
use crate::options::{BootProtocol, Options};
use crate::packages::{OVMF, QEMU, ensure};
use crate::{Error, Result};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The fw_cfg file in which kernels from a disk image find their command line.
pub const FW_CFG_CMDLINE: &str = "opt/org.gzero/cmdline";

/// The fw_cfg file in which kernels find the program's words.
pub const FW_CFG_WORDS: &str = "opt/org.gzero/args";

/// Who executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU's own emulation, the one that works everywhere.
    Tcg,
    /// The host's processor.
    Kvm,
}

/// Files of one run, in its own directory; all of them short enough for a Unix socket's address.
#[derive(Clone, Debug)]
pub struct RunFiles {
    /// The directory.
    pub dir: PathBuf,
}

impl RunFiles {
    /// Where the kernel speaks to this tool.
    pub fn control(&self) -> PathBuf {
        self.dir.join("control")
    }
    /// The guest's UART.
    pub fn uart(&self) -> PathBuf {
        self.dir.join("uart")
    }
    /// Where QEMU says what a processor looked like when it was reset.
    pub fn resets(&self) -> PathBuf {
        self.dir.join("resets")
    }
    /// QEMU's monitor.
    pub fn monitor(&self) -> PathBuf {
        self.dir.join("monitor")
    }
    /// The program's words.
    pub fn words(&self) -> PathBuf {
        self.dir.join("words")
    }
    /// OVMF's own variables.
    fn variables(&self) -> PathBuf {
        self.dir.join("vars.fd")
    }
    /// What OVMF writes to COM1.
    pub fn firmware_log(&self) -> PathBuf {
        self.dir.join("firmware")
    }
}

/// A machine to start.
#[derive(Debug)]
pub struct Machine<'a> {
    /// What the user asked for.
    pub options: &'a Options,
    /// The kernel's command line, perhaps empty.
    pub command_line: &'a str,
    /// The program's words, which [`Guest::start`](crate::guest::Guest::start) writes to [`RunFiles::words`].
    pub words: &'a [u8],
    /// The ELF for [`BootProtocol::Pvh`], else the disk image.
    pub kernel: &'a Path,
    /// The Go program that runs. With [`BootProtocol::Pvh`] the boot protocol hands it to the kernel; a
    /// disk image has it.
    pub program: Option<&'a Path>,
    /// TCG where virtual time is asked for.
    pub accelerator: Accelerator,
    /// Where gdb is waited for.
    pub gdb_port: Option<u16>,
}

impl Machine<'_> {
    /// QEMU's arguments. For UEFI, the firmware's variables are copied to the run's directory.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no UEFI firmware.
    pub fn arguments(&self, host: &Host, files: &RunFiles) -> Result<Vec<OsString>> {
        let mut args = Arguments(Vec::new());
        let icount = self.options.icount;
        // Memory that the host backs when it is touched: the guest may be larger than the host.
        let memory = &self.options.memory;
        args.add(&format!("-object memory-backend-ram,id=memory,size={memory},reserve=off"));
        let Options { machine, cpu, .. } = self.options;
        args.0.extend(["-machine".into(), format!("{machine},memory-backend=memory").into()]);
        args.0.extend(["-cpu".into(), cpu.into()]);
        args.add("-no-reboot -nodefaults -display none");
        args.add(match self.accelerator {
            Accelerator::Kvm => "-accel kvm",
            Accelerator::Tcg if icount => "-accel tcg,thread=single -icount shift=0,sleep=off -seed 1",
            Accelerator::Tcg => "-accel tcg,thread=multi",
        });
        args.add(&format!("-smp {} -m {}", self.options.smp, memory));

        args.with("-chardev", "socket,id=uart", "path", &files.uart());
        // Elsewhere the program's input and output go by the UART, too.
        if self.options.has_pci() {
            // Without `ioeventfd` QEMU takes output in the access that announces it: nobody waits, and virtual time repeats.
            args.add(
                "-chardev stdio,id=serial,signal=off -device virtio-serial-pci,max_ports=2,ioeventfd=off",
            );
            args.add("-device virtserialport,chardev=serial");
        }
        args.with("-chardev", "socket,id=control", "path", &files.control());
        args.add(
            "-device isa-debugcon,iobase=0xe9,chardev=control -device isa-debug-exit,iobase=0xf4,iosize=4",
        );
        args.with("-chardev", "socket,id=monitor,server=on,wait=off", "path", &files.monitor());
        args.add("-mon chardev=monitor,mode=readline");
        args.with("-fw_cfg", &format!("name={FW_CFG_WORDS}"), "file", &files.words());
        // Small, and after a triple fault all that is left of a processor.
        args.add("-d cpu_reset -D");
        args.0.push(files.resets().into());
        if let Some(port) = self.gdb_port {
            args.add(&format!("-S -gdb tcp:127.0.0.1:{port}"));
        }

        self.boot_arguments(&mut args, host, files)?;
        Ok(args.0)
    }

    /// What the boot protocol takes, and the UART, whose number depends on it.
    fn boot_arguments(&self, args: &mut Arguments, host: &Host, files: &RunFiles) -> Result<()> {
        if self.options.protocol == BootProtocol::Uefi {
            let (code, variables) = ensure(host, OVMF, ovmf)?;
            fs::copy(&variables, files.variables()).map_err(Error::io("copy OVMF's variables"))?;
            args.with("-drive", "if=pflash,unit=0,format=raw,readonly=on", "file", &code);
            args.with("-drive", "if=pflash,unit=1,format=raw", "file", &files.variables());
            args.with("-chardev", "file,id=firmware", "path", &files.firmware_log());
            args.add("-serial chardev:firmware");
        }
        // COM1, but COM3 where OVMF writes to COM1 and COM2.
        let index = if self.options.protocol == BootProtocol::Uefi { 2 } else { 0 };
        args.add(&format!("-device isa-serial,index={index},chardev=uart"));
        if self.options.protocol == BootProtocol::Pvh {
            args.0.extend(["-kernel".into(), self.kernel.into(), "-append".into(), self.command_line.into()]);
            args.0.extend(
                self.program.iter().flat_map(|program| ["-initrd".into(), program.as_os_str().into()]),
            );
        } else {
            args.with("-drive", "if=none,id=disk,format=raw,snapshot=on", "file", self.kernel);
            // `bootloader` wants a frame buffer from the BIOS.
            args.add("-device ide-hd,drive=disk -device VGA");
            if !self.command_line.is_empty() {
                args.with("-fw_cfg", &format!("name={FW_CFG_CMDLINE}"), "string", self.command_line.as_ref());
            }
        }
        Ok(())
    }
}

struct Arguments(Vec<OsString>);

impl Arguments {
    fn add(&mut self, words: &str) {
        self.0.extend(words.split(' ').map(OsString::from));
    }

    /// `option rest,key=value`, the value with its commas doubled as QEMU wants them.
    fn with(&mut self, option: &str, rest: &str, key: &str, value: &Path) {
        let value = value.to_string_lossy().replace(',', ",,");
        self.0.extend([option.into(), format!("{rest},{key}={value}").into()]);
    }
}

/// OVMF's code and variables.
fn ovmf(host: &Host) -> Option<(PathBuf, PathBuf)> {
    ["OVMF/OVMF_{}_4M.fd", "OVMF/OVMF_{}.fd", "edk2/x64/OVMF_{}.4m.fd", "edk2/ovmf/OVMF_{}.fd"]
        .iter()
        .find_map(|form| {
            let file = |part| host.file(&format!("/usr/share/{}", form.replace("{}", part)));
            Some((file("CODE")?, file("VARS")?))
        })
}

/// QEMU itself, installed if need be.
///
/// # Errors
/// [`Error::Missing`]
pub fn qemu(host: &Host) -> Result<PathBuf> {
    ensure(host, QEMU, |host| host.program("qemu-system-x86_64"))
}

/// What the probe of KVM runs: a ROM whose reset vector ends QEMU with status 33 by way of `isa-debug-exit`.
const PROBE_CODE: [u8; 6] = [
    0xb0, 0x10, // mov al, 16
    0xe6, 0xf4, // out 0xf4, al
    0xf4, // hlt
    0x90,
];

/// Whether KVM runs an ordinary guest here: `/dev/kvm` may be there and QEMU still end on an MSR.
pub fn kvm_works(qemu: &Path, files: &RunFiles) -> bool {
    if fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return false;
    }
    let mut rom = vec![0x90; 64 * 1024];
    rom[0xfff0..][..PROBE_CODE.len()].copy_from_slice(&PROBE_CODE);
    let path = files.dir.join("probe.rom");
    if fs::write(&path, rom).is_err() {
        return false;
    }
    let child = mortal(qemu)
        .args("-machine q35 -cpu max -accel kvm -nodefaults -display none -no-reboot".split(' '))
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-bios"])
        .arg(&path)
        // A QEMU that aborts may leave its core there.
        .current_dir(&files.dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.code() == Some(33),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                // It may have ended by itself since.
                _ = child.kill();
                _ = child.wait();
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(options: &Options, accelerator: Accelerator) -> String {
        let machine = Machine {
            options,
            command_line: "a,b",
            words: b"",
            kernel: Path::new("/k,1"),
            program: options.args.first().map(Path::new),
            accelerator,
            gdb_port: options.gdb.then_some(1234),
        };
        let files = RunFiles { dir: "/run".into() };
        let args = machine.arguments(&Host::current(), &files).unwrap();
        args.into_iter().map(|a| a.into_string().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn pvh() {
        let mut options = Options::new("echo", &[]);
        options.smp = 3;
        let line = arguments(&options, Accelerator::Tcg);
        assert!(line.contains("-accel tcg,thread=multi -smp 3 -m 512M"), "{line}");
        assert!(line.ends_with("-device isa-serial,index=0,chardev=uart -kernel /k,1 -append a,b"), "{line}");
        assert!(line.contains("-fw_cfg name=opt/org.gzero/args,file=/run/words"), "{line}");
        assert!(!line.contains("-gdb"), "{line}");
    }

    #[test]
    fn module() {
        let line = arguments(&Options::new("go", &["/m,1"]), Accelerator::Tcg);
        assert!(line.ends_with("-kernel /k,1 -append a,b -initrd /m,1"), "{line}");
    }

    #[test]
    fn processor_and_machine() {
        let mut options = Options::new("echo", &[]);
        let line = arguments(&options, Accelerator::Tcg);
        assert!(line.contains("-machine q35,memory-backend=memory -cpu max -no-reboot"), "{line}");
        (options.cpu, options.machine) = ("max,-avx".into(), "pc,acpi=off".into());
        let line = arguments(&options, Accelerator::Tcg);
        assert!(line.contains("-machine pc,acpi=off,memory-backend=memory -cpu max,-avx "), "{line}");
    }

    #[test]
    fn disk() {
        let mut options = Options::new("echo", &[]);
        options.protocol = BootProtocol::Bios;
        let line = arguments(&options, Accelerator::Kvm);
        assert!(line.contains("-accel kvm"), "{line}");
        assert!(line.contains("snapshot=on,file=/k,,1"), "{line}");
        assert!(line.ends_with("-fw_cfg name=opt/org.gzero/cmdline,string=a,,b"), "{line}");
    }

    #[test]
    fn icount_and_gdb() {
        let mut options = Options::new("echo", &[]);
        (options.icount, options.gdb) = (true, true);
        let line = arguments(&options, Accelerator::Tcg);
        assert!(line.contains("thread=single -icount shift=0,sleep=off"), "{line}");
        assert!(line.contains("-S -gdb tcp:127.0.0.1:1234"), "{line}");
    }
}
