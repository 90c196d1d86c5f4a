//! What the CPU can do and the kernel turns on, the same on every core.
//!
//! The boot core finds out what there is; each further core turns on the same set, or stops the machine if it cannot.

use super::fpu;
use bitflags::bitflags;
use core::fmt::{self, Write};
use core::num::NonZero;
use core::sync::atomic::{AtomicBool, Ordering};
use raw_cpuid::{CpuId, Hypervisor, cpuid};
use spin::Once;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use x86_64::registers::model_specific::{Efer, EferFlags, Msr};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

bitflags! {
    /// What the kernel uses where the CPU has it.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct Features: u32 {
        /// 256-bit registers.
        const AVX = 1 << 0;
        /// 512-bit registers.
        const AVX512 = 1 << 1;
        /// `XSAVE`, which saves them.
        const XSAVE = 1 << 2;
        /// Pages that hold no code.
        const NX = 1 << 3;
        /// No kernel code on user pages.
        const SMEP = 1 << 4;
        /// No kernel data on user pages.
        const SMAP = 1 << 5;
        /// No `SGDT` and the like in user mode.
        const UMIP = 1 << 6;
        /// `RDGSBASE` and the like.
        const FSGSBASE = 1 << 7;
        /// Memory types by page.
        const PAT = 1 << 8;
        /// Machine checks are exceptions.
        const MCE = 1 << 9;
        /// 1 GiB pages.
        const PDPE1GB = 1 << 10;
        /// Interrupt controller reached by MSR.
        const X2APIC = 1 << 11;
        /// Timer that compares with the time stamp counter.
        const TSC_DEADLINE = 1 << 12;
        /// The time stamp counter runs at one rate whatever the core does.
        const INVARIANT_TSC = 1 << 13;
    }
}

static FEATURES: Once<Features> = Once::new();

/// For the trap stubs: whether `CLAC` exists.
pub(super) static SMAP_ON: AtomicBool = AtomicBool::new(false);

/// The page attribute table: as after reset, but entry 1 (PWT alone) combines writes instead of writing through (SDM vol. 3, 13.12).
const PAT: u64 = 0x0007_0406_0007_0106;
const IA32_PAT: Msr = Msr::new(0x277);

/// What is turned on. Empty before [`init`].
pub fn features() -> Features {
    FEATURES.get().copied().unwrap_or(Features::empty())
}

/// Whether all of `f` is turned on.
pub fn has(f: Features) -> bool {
    features().contains(f)
}

/// What this core has of all that the kernel uses.
fn probe() -> Features {
    let id = CpuId::new();
    let mut f = Features::empty();
    // What XSAVE can save is in a leaf that firmware may have hidden ("limit CPUID"). Without it XCR0 must not be written.
    let savable = xcr0_support();
    let saves = |registers| savable.contains(registers);
    if let Some(i) = id.get_feature_info() {
        let settable = !emulator_refuses_xsave();
        f.set(Features::XSAVE, i.has_xsave() && settable && saves(xcr0(Features::empty())));
        f.set(Features::AVX, f.contains(Features::XSAVE) && i.has_avx() && saves(xcr0(Features::AVX)));
        f.set(Features::PAT, i.has_pat());
        f.set(Features::MCE, i.has_mce());
        f.set(Features::X2APIC, i.has_x2apic());
        f.set(Features::TSC_DEADLINE, i.has_tsc_deadline());
    }
    if let Some(i) = id.get_extended_feature_info() {
        let avx512 = Features::AVX | Features::AVX512;
        f.set(Features::AVX512, f.contains(Features::AVX) && i.has_avx512f() && saves(xcr0(avx512)));
        f.set(Features::SMEP, i.has_smep());
        f.set(Features::SMAP, i.has_smap());
        f.set(Features::UMIP, i.has_umip());
        f.set(Features::FSGSBASE, i.has_fsgsbase());
    }
    if let Some(i) = id.get_extended_processor_and_feature_identifiers() {
        f.set(Features::NX, i.has_execute_disable());
        f.set(Features::PDPE1GB, i.has_1gib_pages());
    }
    if let Some(i) = id.get_advanced_power_mgmt_info() {
        f.set(Features::INVARIANT_TSC, i.has_invariant_tsc());
    }
    f
}

/// Whether this is QEMU's own emulation of a processor with XSAVE and none of its extensions (Opteron_G4 and G5). QEMU takes the extensions, leaf 0xd.1, for
/// XSAVE itself and CR4.OSXSAVE for a reserved bit; and where it should raise an exception, it executes the instruction again, for ever
/// (`cr4_reserved_bits`, `helper_write_crN`; 7.2). So whether the bit can be set cannot be tried. A real Opteron of these has all of it.
fn emulator_refuses_xsave() -> bool {
    const LEAF: u32 = 0xd;
    let id = CpuId::new();
    let emulated = id.get_hypervisor_info().is_some_and(|h| h.identify() == Hypervisor::QEMU);
    emulated && id.get_extended_state_info().is_some() && cpuid!(LEAF, 1).eax == 0
}

/// The register sets that XSAVE can save here, by leaf 0xd of CPUID; none where there is no such leaf.
fn xcr0_support() -> XCr0Flags {
    let Some(i) = CpuId::new().get_extended_state_info() else { return XCr0Flags::empty() };
    let mut x = XCr0Flags::empty();
    x.set(XCr0Flags::X87, i.xcr0_supports_legacy_x87());
    x.set(XCr0Flags::SSE, i.xcr0_supports_sse_128());
    x.set(XCr0Flags::AVX, i.xcr0_supports_avx_256());
    x.set(XCr0Flags::OPMASK, i.xcr0_supports_avx512_opmask());
    x.set(XCr0Flags::ZMM_HI256, i.xcr0_supports_avx512_zmm_hi256());
    x.set(XCr0Flags::HI16_ZMM, i.xcr0_supports_avx512_zmm_hi16());
    x
}

/// Turns `f` on in this core's control registers.
///
/// # Safety
/// The core has all of `f`, and no code that runs relies on any of it being off.
unsafe fn enable(f: Features) {
    let cr4_of = |feature, flag| if f.contains(feature) { flag } else { Cr4Flags::empty() };
    // SAFETY: the caller's promise; SSE, write protection and native FPU errors exist on every x86_64 CPU.
    unsafe {
        Cr0::update(|cr0| {
            cr0.remove(Cr0Flags::EMULATE_COPROCESSOR | Cr0Flags::TASK_SWITCHED);
            cr0.insert(Cr0Flags::MONITOR_COPROCESSOR | Cr0Flags::NUMERIC_ERROR | Cr0Flags::WRITE_PROTECT);
        });
        Cr4::update(|cr4| {
            *cr4 |= Cr4Flags::OSFXSR
                | Cr4Flags::OSXMMEXCPT_ENABLE
                | cr4_of(Features::XSAVE, Cr4Flags::OSXSAVE)
                | cr4_of(Features::SMEP, Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION)
                | cr4_of(Features::SMAP, Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION)
                | cr4_of(Features::UMIP, Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION)
                | cr4_of(Features::FSGSBASE, Cr4Flags::FSGSBASE)
                | cr4_of(Features::MCE, Cr4Flags::MACHINE_CHECK_EXCEPTION);
        });
        if f.contains(Features::XSAVE) {
            XCr0::write(xcr0(f));
        }
        if f.contains(Features::NX) {
            Efer::update(|efer| efer.insert(EferFlags::NO_EXECUTE_ENABLE));
        }
        if f.contains(Features::PAT) {
            let mut pat = IA32_PAT;
            pat.write(PAT);
        }
    }
    order_lfence();
}

/// On AMD's CPUs, makes `LFENCE` wait for what comes before it, as it does on Intel's: the clock relies on that (AMD, "Software techniques for
/// managing speculation", G-2). Not under a hypervisor, whose affair it is. QEMU has none of it, so this is not tested.
fn order_lfence() {
    const DE_CFG: Msr = Msr::new(0xc001_1029);
    const LFENCE_SERIALIZES: u64 = 1 << 1;
    let id = CpuId::new();
    let amd = id.get_vendor_info().is_some_and(|v| matches!(v.as_str(), "AuthenticAMD" | "HygonGenuine"));
    let bare = id.get_feature_info().is_some_and(|i| !i.has_hypervisor() && i.family_id() >= 0x10);
    if amd && bare {
        let mut register = DE_CFG;
        // SAFETY: every such CPU from family 0x10 on has the register, and the bit only makes an instruction wait longer.
        unsafe { register.write(register.read() | LFENCE_SERIALIZES) };
    }
}

/// The register sets that are turned on and saved.
fn xcr0(f: Features) -> XCr0Flags {
    let mut x = XCr0Flags::X87 | XCr0Flags::SSE;
    x.set(XCr0Flags::AVX, f.contains(Features::AVX));
    let avx512 = XCr0Flags::OPMASK | XCr0Flags::ZMM_HI256 | XCr0Flags::HI16_ZMM;
    x.set(avx512, f.contains(Features::AVX512));
    x
}

/// Finds out what the boot core has, turns it on and logs it. To be called once, on the boot core, with interrupts off.
pub fn init() {
    let f = *FEATURES.call_once(probe);
    // SAFETY: all of `f` was just found on this core, and nothing but this kernel runs.
    unsafe { enable(f) };
    SMAP_ON.store(f.contains(Features::SMAP), Ordering::Relaxed);
    if f.contains(Features::XSAVE) {
        // EBX of leaf 0xd is the size for what XCR0 enables now.
        let info = CpuId::new().get_extended_state_info();
        let size = info.and_then(|i| NonZero::new(i.xsave_area_size_enabled_features()));
        fpu::set_xsave(size.expect("`probe` found the leaf"), xcr0(f).bits());
    }
    crate::log!(
        "cpu: on: sse sse2 wp, and{}; the CPU lacks:{}; registers saved in {} bytes",
        Names(f),
        Names(!f),
        fpu::save_size()
    );
}

/// Turns on what the boot core has on the current core, another one.
///
/// # Errors
/// What this core lacks of it.
pub fn init_ap() -> Result<(), Names> {
    let want = features();
    let missing = want - probe();
    if !missing.is_empty() {
        return Err(Names(missing));
    }
    // SAFETY: the core has all of `want`, and nothing but this kernel runs.
    unsafe { enable(want) };
    Ok(())
}

/// Features as words with a blank before each; "nothing" if there are none.
pub struct Names(Features);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(" nothing");
        }
        for (name, _) in self.0.iter_names() {
            f.write_char(' ')?;
            for c in name.chars() {
                f.write_char(if c == '_' { '-' } else { c.to_ascii_lowercase() })?;
            }
        }
        Ok(())
    }
}
