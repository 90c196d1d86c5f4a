//! What Go's tables say of a frame: its size, and which of its words are live pointers (Go: `stkframe.go`, `traceback.go`).
//!
//! The compiler writes for each function a list of bitmaps of its locals and one of its arguments (`stackmap`: how many, bits in each, then
//! the bitmaps in whole bytes). `PCDATA_StackMapIndex` says which of them holds at a call: there alone. Variables whose address is
//! taken are in no bitmap but in a list of stack objects, with offsets from the frame's ends.

use super::{
    FLAG, FLAG_ASM, Func, LOCALS_POINTER_MAPS, NFUNCDATA, NPCDATA, PCDATA, find, is_runtime, pcdata, pcvalue,
    u8_at, u32_at,
};
use crate::goabi::layout::Layout;

/// Of a function's record.
const ARGS: usize = 8;
const PCSP: usize = 16;
const FUNC_ID: usize = 40;
/// `abi.ArgsSizeUnknown`.
const ARGS_UNKNOWN: u32 = 0x8000_0000;
/// `abi.FuncFlagTopFrame`, `abi.FuncFlagSPWrite`.
const FLAG_TOP_FRAME: u8 = 1 << 0;
const FLAG_SP_WRITE: u8 = 1 << 1;
/// `abi.PCDATA_StackMapIndex`.
const STACK_MAP_INDEX: usize = 1;
/// `abi.FUNCDATA_ArgsPointerMaps`, `…StackObjects`.
const ARGS_POINTER_MAPS: usize = 0;
const STACK_OBJECTS: usize = 2;
/// Bytes of a `stackObjectRecord`: offset, size, bytes up to the end of the last pointer, its type's mask.
const OBJECT: usize = 16;

/// Where a frame's code stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::goabi) enum Stands {
    /// Behind a call that has not returned.
    BehindCall,
    /// Before an instruction at which it was interrupted.
    Interrupted,
}

/// A frame of Go code.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::goabi) struct Frame {
    /// Where the caller's frame begins, and this one's arguments: behind the return address.
    pub end: usize,
    /// Bytes of arguments and of room for results and spilled registers; none: unknown.
    pub args: Option<usize>,
    /// The code was entered by a fault of its caller.
    pub is_sigpanic: bool,
    /// Which words are live pointers; none: the tables do not say.
    pub live: Option<Live>,
}

/// The live pointers of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::goabi) struct Live {
    /// Behind the last local.
    locals_end: usize,
    /// From `locals_end` downwards.
    pub locals: Bits,
    /// From the frame's end upwards.
    pub args: Bits,
    /// The list of stack objects, and how many there are.
    objects: (usize, usize),
}

/// A variable on the stack whose address is taken.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::goabi) struct Object {
    pub start: usize,
    pub size: usize,
    /// Bytes up to the end of its last pointer.
    pub pointers: usize,
}

/// A bitmap: how many bits, and the address of the first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::goabi) struct Bits {
    pub n: usize,
    pub bytes: usize,
}

impl Live {
    /// Where the words of `locals` begin.
    pub fn locals_start(&self) -> usize {
        self.locals_end - self.locals.n * 8
    }

    /// How many stack objects the function has.
    pub fn objects(&self) -> usize {
        self.objects.1
    }

    /// Stack object `i` of a frame that ends at `end`.
    ///
    /// # Safety
    /// There is one, and the frame is a [`Shape`]'s.
    pub unsafe fn object(&self, i: usize, end: usize) -> Object {
        let at = self.objects.0 + i * OBJECT;
        // SAFETY: the list has as many records.
        let (offset, size, pointers) = unsafe { (u32_at(at) as i32, u32_at(at + 4), u32_at(at + 8)) };
        let base = if offset < 0 { self.locals_end } else { end };
        let start = base.wrapping_add_signed(offset as isize);
        Object { start, size: size as usize, pointers: pointers as usize }
    }
}

/// Part `i` of what belongs to a function.
///
/// # Safety
/// `f` is a function.
unsafe fn funcdata(l: &Layout, f: &Func, i: usize) -> Option<usize> {
    // SAFETY: as the caller promises; behind the tables' offsets there are as many as the record says.
    unsafe {
        let all = f.record + PCDATA + u32_at(f.record + NPCDATA) as usize * 4;
        (i < usize::from(u8_at(f.record + NFUNCDATA)))
            .then(|| u32_at(all + i * 4))
            .filter(|&offset| offset != u32::MAX)
            .map(|offset| l.gofunc + offset as usize)
    }
}

/// Bitmap `index` of part `i`; none if there is no such bitmap.
///
/// # Safety
/// As [`funcdata`]; part `i` is a `stackmap`.
unsafe fn bitmap(l: &Layout, f: &Func, i: usize, index: usize) -> Option<Bits> {
    // SAFETY: as the caller promises.
    unsafe {
        let map = funcdata(l, f, i)?;
        let (maps, n) = (u32_at(map) as usize, u32_at(map + 4) as usize);
        (index < maps).then(|| Bits { n, bytes: map + 8 + index * n.div_ceil(8) })
    }
}

/// What the tables say of all frames whose code stands at one place, wherever they lie.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Bytes up to the return address.
    size: usize,
    args: Option<usize>,
    is_sigpanic: bool,
    /// `locals_end` counts from the return address downwards here.
    live: Option<Live>,
}

impl Shape {
    /// The frame at `sp`.
    pub fn at(&self, sp: usize) -> Frame {
        let returns = sp + self.size;
        let live = self.live.map(|live| Live { locals_end: returns - live.locals_end, ..live });
        Frame { end: returns + 8, args: self.args, is_sigpanic: self.is_sigpanic, live }
    }
}

/// The shape of the frames of code at `pc`; none if it cannot be said where they end.
///
/// # Safety
/// `l` has the program's tables, and `pc` is in its code; code stands there.
pub(super) unsafe fn shape(l: &Layout, pc: usize, stands: Stands) -> Option<Shape> {
    // SAFETY: as the caller promises. A call is no function's first byte.
    unsafe {
        // What holds during the call: behind it another function may begin.
        let at = if stands == Stands::BehindCall { pc - 1 } else { pc };
        if !(l.text..l.etext).contains(&at) {
            return None;
        }
        let f = find(l, at);
        let flag = u8_at(f.record + FLAG);
        let pcsp = u32_at(f.record + PCSP) as usize;
        if flag & (FLAG_TOP_FRAME | FLAG_SP_WRITE) != 0 || pcsp == 0 {
            return None;
        }
        let size = usize::try_from(pcvalue(l, &f, pcsp, at).0).ok()?;
        let args = u32_at(f.record + ARGS);
        let args = (args != ARGS_UNKNOWN).then_some(args as usize);
        let is_sigpanic = usize::from(u8_at(f.record + FUNC_ID)) == l.sigpanic_id;
        let has_maps = stands == Stands::BehindCall && flag & FLAG_ASM == 0 && !is_runtime(l, &f);
        // The caller's frame pointer lies below the return address, unless the frame is empty.
        let locals_end = if size == 0 { 0 } else { 8 };
        let live = if has_maps { live(l, &f, at, locals_end, args) } else { None };
        Some(Shape { size, args, is_sigpanic, live })
    }
}

/// What is live in a frame at the call that holds `at`.
///
/// # Safety
/// As [`shape`].
unsafe fn live(l: &Layout, f: &Func, at: usize, locals_end: usize, args: Option<usize>) -> Option<Live> {
    // SAFETY: as the caller promises.
    unsafe {
        // Negative: the prologue.
        let index = usize::try_from(pcvalue(l, f, pcdata(f, STACK_MAP_INDEX)?, at).0).ok()?;
        let locals = bitmap(l, f, LOCALS_POINTER_MAPS, index)?;
        let args = match args? {
            0 => Bits::default(),
            _ => bitmap(l, f, ARGS_POINTER_MAPS, index)?,
        };
        let objects = funcdata(l, f, STACK_OBJECTS).map_or((0, 0), |list| {
            let n = (list as *const usize).read_unaligned();
            (list + 8, n)
        });
        Some(Live { locals_end, locals, args, objects })
    }
}
