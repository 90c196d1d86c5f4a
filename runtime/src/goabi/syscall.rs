//! What package syscall asks of Linux, by Linux's numbers (Go: `internal/runtime/syscall/linux.Syscall6`, `os_linux.go`).
//!
//! The machine is a Linux process as far as a console goes: three descriptors, pipes, clocks, random bytes, one user, one process, an empty file system. A file
//! is not there (ENOENT), everything else is not implemented (ENOSYS): both are answers that package os and others expect of some Linux.
//!
//! Rejected: an answer in Go. Each change there compiles the whole library anew.

use super::os;
use super::pipe::{self, Side};
use crate::port;
use core::slice;

/// An answer: 0 or more, or one of Linux's error numbers, negated.
type Answer = Result<usize, Errno>;

/// Linux's error numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
enum Errno {
    Enoent = 2,
    Ebadf = 9,
    Efault = 14,
    Einval = 22,
    Enotty = 25,
    Espipe = 29,
    Epipe = 32,
    Erange = 34,
    Enosys = 38,
}
use Errno::{Ebadf, Efault, Einval, Enoent, Enosys, Enotty, Epipe, Erange, Espipe};

impl From<pipe::Error> for Errno {
    fn from(error: pipe::Error) -> Errno {
        match error {
            pipe::Error::NotOpen => Ebadf,
            pipe::Error::NoReader => Epipe,
        }
    }
}

/// The call `number` with the arguments `a`. The arguments are what the program says they are: addresses are its own.
///
/// # Safety
/// Called by Go code, on a goroutine, which may be parked.
pub(super) unsafe extern "C" fn call(number: usize, a: usize, b: usize, c: usize) -> isize {
    // SAFETY: as the caller promises.
    match unsafe { answer(number, a, b, c) } {
        Ok(n) => n as isize,
        Err(errno) => -(errno as isize),
    }
}

/// # Safety
/// As [`call`].
unsafe fn answer(number: usize, a: usize, b: usize, c: usize) -> Answer {
    match number {
        // SAFETY: as the caller promises.
        0 => unsafe { read(a, b, c) },
        // SAFETY: as the caller promises.
        1 => unsafe { write(a, b, c) },
        // close: the console stays.
        3 if a < CONSOLE => Ok(0),
        3 => Ok(pipe::close(a).map(|()| 0)?),
        // SAFETY: the program's room for a struct stat.
        5 => unsafe { fstat(a, b) },
        // lseek, pread64, pwrite64
        8 | 17 | 18 => is_open(a).and(Err(Espipe)),
        // ioctl: the console has no size, and no modes.
        16 => is_open(a).and(Err(Enotty)),
        // sched_yield
        24 => {
            crate::proc::gosched();
            Ok(0)
        }
        // getpid, getppid, gettid
        39 | 186 => Ok(1),
        110 => Ok(0),
        // exit, exit_group
        60 | 231 => os::exit(a as i32),
        // SAFETY: the program's room for a struct utsname.
        63 => unsafe { give(a, uname()) },
        // fcntl
        72 => fcntl(a, b),
        // SAFETY: the program's room.
        79 => unsafe { getcwd(a, b) },
        // umask
        95 => Ok(0o022),
        // SAFETY: the program's room for a struct timeval, or null.
        96 => unsafe { gettimeofday(a) },
        // getuid, getgid, geteuid, getegid; getgroups: none beside
        102 | 104 | 107 | 108 | 115 => Ok(0),
        // SAFETY: the program's room for a time, or null.
        201 => unsafe { time(a) },
        // SAFETY: the program's room for a mask.
        204 => unsafe { sched_getaffinity(b, c) },
        // SAFETY: the program's room for a struct timespec.
        228 => unsafe { give(b, clock(a)?) },
        // SAFETY: the program's room for a struct timespec, or null.
        229 => unsafe { clock_getres(a, b) },
        // SAFETY: the program's room.
        318 => unsafe { getrandom(a, b) },
        // SAFETY: the program's room for two numbers.
        293 => unsafe { pipe2(a, b) },
        // open, stat, lstat, access, chdir, rename, mkdir, rmdir, creat, link, unlink, symlink, readlink, chmod, chown, lchown; utime, statfs, utimes; and
        // openat … faccessat, utimensat, renameat2, statx, faccessat2
        2 | 4 | 6 | 21 | 80 | 82..=90 | 92 | 94 | 132 | 137 | 235 | 257..=269 | 280 | 316 | 332 | 439 => {
            Err(Enoent)
        }
        _ => Err(Enosys),
    }
}

/// # Safety
/// `room` is Go's, for so many bytes.
unsafe fn read(fd: usize, room: usize, bytes: usize) -> Answer {
    is_open(fd)?;
    if bytes == 0 {
        return Ok(0);
    }
    let room = some(room)? as *mut u8;
    if fd == 0 {
        // SAFETY: as the caller promises.
        return Ok(unsafe { os::read(room, bytes) });
    }
    // SAFETY: as the caller promises.
    Ok(pipe::read(fd, unsafe { slice::from_raw_parts_mut(room, bytes) })?)
}

/// # Safety
/// So many bytes of Go's are at `from`.
unsafe fn write(fd: usize, from: usize, bytes: usize) -> Answer {
    is_open(fd)?;
    if bytes == 0 {
        return Ok(0);
    }
    let from = some(from)? as *const u8;
    if let 1 | 2 = fd {
        // SAFETY: as the caller promises.
        return Ok(unsafe { os::write(fd, from, bytes) });
    }
    // SAFETY: as the caller promises.
    Ok(pipe::write(fd, unsafe { slice::from_raw_parts(from, bytes) })?)
}

/// # Safety
/// `room` is the program's, for a struct stat.
unsafe fn fstat(fd: usize, room: usize) -> Answer {
    let mut stat = [0_u32; 144 / 4];
    stat[24 / 4] = mode(fd)?;
    // SAFETY: as the caller promises.
    unsafe { give(room, stat) }
}

/// # Safety
/// `room` is the program's, for a struct timeval, or null.
unsafe fn gettimeofday(room: usize) -> Answer {
    let (seconds, ns) = port::walltime();
    // SAFETY: as the caller promises.
    if room == 0 { Ok(0) } else { unsafe { give(room, [seconds, i64::from(ns / 1000)]) } }
}

/// # Safety
/// `room` is the program's, for a time, or null.
unsafe fn time(room: usize) -> Answer {
    let seconds = port::walltime().0;
    if room != 0 {
        // SAFETY: as the caller promises.
        unsafe { give(room, seconds)? };
    }
    Ok(seconds as usize)
}

/// # Safety
/// `room` is the program's, for a struct timespec, or null.
unsafe fn clock_getres(number: usize, room: usize) -> Answer {
    clock(number)?;
    // SAFETY: as the caller promises.
    if room == 0 { Ok(0) } else { unsafe { give(room, [0_i64, 1]) } }
}

/// As `O_NONBLOCK` an end would need somebody who waits for it: that is refused.
///
/// # Safety
/// `room` is the program's, for two numbers.
unsafe fn pipe2(room: usize, flags: usize) -> Answer {
    const O_NONBLOCK: usize = 0o4000;
    some(room)?;
    if flags & O_NONBLOCK != 0 {
        return Err(Einval);
    }
    let (r, w) = pipe::make();
    // SAFETY: as the caller promises.
    unsafe { give(room, [r as i32, w as i32]) }
}

/// Numbers below this are the console's.
const CONSOLE: usize = 3;

/// Refuses a number that is no descriptor.
fn is_open(fd: usize) -> Result<(), Errno> {
    if fd >= CONSOLE {
        pipe::side(fd)?;
    }
    Ok(())
}

/// A descriptor's file mode.
fn mode(fd: usize) -> Result<u32, Errno> {
    /// A character device that its owner may read and write, and others write.
    const CHARACTER_DEVICE: u32 = 0o020_620;
    const PIPE: u32 = 0o010_600;
    is_open(fd)?;
    Ok(if fd < CONSOLE { CHARACTER_DEVICE } else { PIPE })
}

fn fcntl(fd: usize, command: usize) -> Answer {
    const F_GETFD: usize = 1;
    const F_SETFD: usize = 2;
    const F_GETFL: usize = 3;
    const O_WRONLY: usize = 1;
    const O_RDWR: usize = 2;
    is_open(fd)?;
    match command {
        F_GETFL if fd < CONSOLE => Ok(O_RDWR),
        F_GETFL => Ok(if pipe::side(fd)? == Side::Read { 0 } else { O_WRONLY }),
        // There is no other program that could have it.
        F_GETFD | F_SETFD => Ok(0),
        _ => Err(Einval),
    }
}

/// An address that is not null.
fn some(address: usize) -> Result<usize, Errno> {
    if address == 0 { Err(Efault) } else { Ok(address) }
}

/// Stores what was asked for.
///
/// # Safety
/// `to` is 0, or the program's room for it.
unsafe fn give<T>(to: usize, value: T) -> Answer {
    let to = some(to)? as *mut T;
    // SAFETY: as the caller promises; it need not be aligned.
    unsafe { to.write_unaligned(value) };
    Ok(0)
}

/// Linux's `struct utsname`: six texts with their ends. The release is the oldest that Go runs on whole.
fn uname() -> [[u8; 65]; 6] {
    ["Linux", "gzero", "5.10.0", "gzero", "x86_64", "(none)"].map(|text| {
        let mut field = [0; 65];
        field[..text.len()].copy_from_slice(text.as_bytes());
        field
    })
}

/// The folder that the program was started in, if the machine was told: with its end, whose place counts.
///
/// # Safety
/// `to` is 0, or the program's room of `size` bytes.
unsafe fn getcwd(to: usize, size: usize) -> Answer {
    let told = port::environ().iter().find(|(name, _)| *name == "PWD").map(|(_, path)| *path);
    let path = told.filter(|path| path.first() == Some(&b'/')).unwrap_or(b"/");
    if size <= path.len() {
        return Err(Erange);
    }
    let to = some(to)? as *mut u8;
    // SAFETY: as the caller promises, and there is room for one byte more.
    unsafe {
        to.copy_from_nonoverlapping(path.as_ptr(), path.len());
        to.add(path.len()).write(0);
    }
    Ok(path.len() + 1)
}

/// A bit for each core; the answer is how many bytes that takes, in whole words.
///
/// # Safety
/// `to` is 0, or the program's room of `size` bytes.
unsafe fn sched_getaffinity(size: usize, to: usize) -> Answer {
    let mask = affinity(port::ncpu());
    // Linux wants whole words, and as many as it has.
    if !size.is_multiple_of(8) || size < size_of_val(&mask) {
        return Err(Einval);
    }
    // SAFETY: as the caller promises.
    unsafe { give(to, mask)? };
    Ok(size_of_val(&mask))
}

fn affinity(ncpu: usize) -> u64 {
    u64::MAX.checked_shr(64_u32.saturating_sub(ncpu as u32)).unwrap_or(0)
}

/// A clock's seconds and nanoseconds.
fn clock(id: usize) -> Result<[i64; 2], Errno> {
    match id {
        // CLOCK_REALTIME, CLOCK_REALTIME_COARSE
        0 | 5 => {
            let (seconds, ns) = port::walltime();
            Ok([seconds, i64::from(ns)])
        }
        // CLOCK_MONOTONIC, its kin, and CLOCK_BOOTTIME: the machine does not sleep.
        1 | 4 | 6 | 7 => {
            let ns = port::nanotime();
            Ok([ns / 1_000_000_000, ns % 1_000_000_000])
        }
        _ => Err(Einval),
    }
}

/// # Safety
/// `to` is 0, or the program's room of `size` bytes.
unsafe fn getrandom(to: usize, size: usize) -> Answer {
    if size == 0 {
        return Ok(0);
    }
    // SAFETY: as the caller promises.
    let room = unsafe { slice::from_raw_parts_mut(some(to)? as *mut u8, size) };
    fill(room);
    Ok(size)
}

fn fill(room: &mut [u8]) {
    for chunk in room.chunks_mut(8) {
        chunk.copy_from_slice(&super::proc::random().to_le_bytes()[..chunk.len()]);
    }
}

/// Go's `readRandom`: `size` random bytes, to `to`.
pub(super) unsafe extern "C" fn random(to: *mut u8, size: usize) {
    if size != 0 {
        // SAFETY: Go's room.
        fill(unsafe { slice::from_raw_parts_mut(to, size) });
    }
}

#[cfg(all(feature = "kernel-tests", not(test)))]
mod tests {
    use super::*;
    use crate::kernel_test;

    fn ask(number: usize, a: usize, b: usize, c: usize) -> isize {
        // SAFETY: no address that would be used.
        unsafe { call(number, a, b, c) }
    }

    #[kernel_test]
    fn what_there_is_not_is_refused_in_the_way_of_linux() {
        assert_eq!(ask(257, usize::MAX - 99, 0, 0), -2, "openat: no such file");
        assert_eq!(ask(9, 0, 4096, 3), -38, "mmap: not implemented");
        assert_eq!(ask(3, 7, 0, 0), -9, "close of what is not open");
        let mut byte = 0_u8;
        let byte = (&raw mut byte).addr();
        assert_eq!(ask(0, 1, byte, 1), -9, "read from standard output");
        assert_eq!(ask(1, 0, byte, 1), -9, "write to standard input");
        assert_eq!(ask(1, 1, 0, 1), -14, "write from nowhere");
        assert_eq!(ask(5, 1, 0, 0), -14, "fstat to nowhere");
        assert_eq!(ask(8, 1, 0, 0), -29, "lseek of the console");
        assert_eq!(ask(16, 1, 0, 0), -25, "ioctl: no terminal");
        assert_eq!(ask(72, 1, 99, 0), -22, "fcntl that is not known");
    }

    #[kernel_test]
    fn the_cores_of_a_mask() {
        assert_eq!(affinity(1), 1);
        assert_eq!(affinity(4), 0b1111);
        assert_eq!(affinity(64), u64::MAX);
    }

    #[kernel_test]
    fn names_are_ended() {
        let names = uname();
        assert!(names.iter().all(|name| name[64] == 0));
        assert_eq!(&names[0][..6], b"Linux\0");
    }
}
