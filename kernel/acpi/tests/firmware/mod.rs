//! Firmware's tables as they lie in memory, and damage to them that a seed decides. Used here and by `boot`'s tests, which
//! do it to a machine.

/// Bytes at a physical address.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The address.
    pub at: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Table {
    /// The four letters that it begins with; the root pointer's are `RSD `.
    pub fn is(&self, signature: &[u8; 4]) -> bool {
        self.bytes.starts_with(signature)
    }
}

/// Numbers that code forgets.
const EVIL: [u64; 14] = [
    0,
    1,
    2,
    0x1f,
    0xfff,
    0xffff,
    0x10_0000,
    0xfee0_0000,
    0xffff_fff0,
    0xffff_ffff,
    1 << 40,
    1 << 52,
    1 << 63,
    u64::MAX,
];

/// Damages `tables`: one to four times in one of them, and adds most of them up again so that the damage is believed.
pub fn mutate(tables: &mut [Table], seed: u64) {
    let mut random = Random(seed);
    for _ in 0..=random.below(4) {
        // The DSDT is as long as all others together and has one object of interest.
        let of_interest: Vec<usize> = (0..tables.len()).filter(|&i| !tables[i].is(b"DSDT")).collect();
        let table = match random.below(8) {
            0 => random.below(tables.len()),
            _ => of_interest[random.below(of_interest.len())],
        };
        damage(&mut tables[table], &mut random);
        if random.below(4) != 0 {
            add_up(&mut tables[table]);
        }
    }
}

fn damage(table: &mut Table, random: &mut Random) {
    let bytes = &mut table.bytes;
    let at = random.below(bytes.len());
    match random.below(6) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        // The length.
        2 => put(bytes, 4, &(EVIL[random.below(EVIL.len())] as u32).to_le_bytes()),
        3 => {
            let near = (bytes.len() as u32).wrapping_add(random.below(16) as u32).wrapping_sub(8);
            put(bytes, 4, &near.to_le_bytes());
        }
        4 if bytes.starts_with(b"APIC") => {
            let entries = madt_entries(bytes);
            let entry = entries[random.below(entries.len())];
            let what = entry + random.below(2);
            bytes[what] = [0, 1, 2, 3, 9, 0xff][random.below(6)];
        }
        _ => {
            let evil = EVIL[random.below(EVIL.len())].to_le_bytes();
            let width = if random.below(2) == 0 { 4 } else { 8 };
            put(bytes, at & !3, &evil[..width]);
        }
    }
}

/// Where the entries of a whole MADT begin.
fn madt_entries(madt: &[u8]) -> Vec<usize> {
    let mut entries = vec![44];
    while let Some(&length) = madt.get(entries[entries.len() - 1] + 1).filter(|&&length| length >= 2) {
        entries.push(entries[entries.len() - 1] + usize::from(length));
    }
    entries.retain(|&at| at + 2 <= madt.len());
    entries
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    bytes.iter_mut().skip(at).zip(what).for_each(|(to, &from)| *to = from);
}

/// Sets the checksums right, over as many bytes as the table says it has if it has them.
pub fn add_up(table: &mut Table) {
    let bytes = &mut table.bytes;
    let sum = |bytes: &[u8]| bytes.iter().fold(0_u8, |sum, &byte| sum.wrapping_sub(byte));
    if bytes.starts_with(b"RSD PTR ") {
        bytes[8] = 0;
        bytes[8] = sum(&bytes[..20]);
        if bytes.len() >= 36 {
            bytes[32] = 0;
            bytes[32] = sum(&bytes[..36]);
        }
    } else {
        let said = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
        let length = if (36..=bytes.len()).contains(&said) { said } else { bytes.len() };
        bytes[9] = 0;
        bytes[9] = sum(&bytes[..length]);
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}
