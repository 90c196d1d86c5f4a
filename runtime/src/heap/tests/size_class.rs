//! The generated classes against the table that Go publishes (`internal/runtime/gc/sizeclasses.go`).

use crate::heap::size_class::*;

/// bytes/obj, bytes/span, objects, tail waste, max waste in hundredths of a percent, min align; classes 1 to 67.
const GO: [(usize, usize, usize, usize, usize, usize); 67] = [
    (8, 8192, 1024, 0, 8750, 8),
    (16, 8192, 512, 0, 4375, 16),
    (24, 8192, 341, 8, 2924, 8),
    (32, 8192, 256, 0, 2188, 32),
    (48, 8192, 170, 32, 3152, 16),
    (64, 8192, 128, 0, 2344, 64),
    (80, 8192, 102, 32, 1907, 16),
    (96, 8192, 85, 32, 1595, 32),
    (112, 8192, 73, 16, 1356, 16),
    (128, 8192, 64, 0, 1172, 128),
    (144, 8192, 56, 128, 1182, 16),
    (160, 8192, 51, 32, 973, 32),
    (176, 8192, 46, 96, 959, 16),
    (192, 8192, 42, 128, 925, 64),
    (208, 8192, 39, 80, 812, 16),
    (224, 8192, 36, 128, 815, 32),
    (240, 8192, 34, 32, 662, 16),
    (256, 8192, 32, 0, 586, 256),
    (288, 8192, 28, 128, 1216, 32),
    (320, 8192, 25, 192, 1180, 64),
    (352, 8192, 23, 96, 988, 32),
    (384, 8192, 21, 128, 951, 128),
    (416, 8192, 19, 288, 1071, 32),
    (448, 8192, 18, 128, 837, 64),
    (480, 8192, 17, 32, 682, 32),
    (512, 8192, 16, 0, 605, 512),
    (576, 8192, 14, 128, 1233, 64),
    (640, 8192, 12, 512, 1548, 128),
    (704, 8192, 11, 448, 1393, 64),
    (768, 8192, 10, 512, 1394, 256),
    (896, 8192, 9, 128, 1552, 128),
    (1024, 8192, 8, 0, 1240, 1024),
    (1152, 8192, 7, 128, 1241, 128),
    (1280, 8192, 6, 512, 1555, 256),
    (1408, 16384, 11, 896, 1400, 128),
    (1536, 8192, 5, 512, 1400, 512),
    (1792, 16384, 9, 256, 1557, 256),
    (2048, 8192, 4, 0, 1245, 2048),
    (2304, 16384, 7, 256, 1246, 256),
    (2688, 8192, 3, 128, 1559, 128),
    (3072, 24576, 8, 0, 1247, 1024),
    (3200, 16384, 5, 384, 622, 128),
    (3456, 24576, 7, 384, 883, 128),
    (4096, 8192, 2, 0, 1560, 4096),
    (4864, 24576, 5, 256, 1665, 256),
    (5376, 16384, 3, 256, 1092, 256),
    (6144, 24576, 4, 0, 1248, 2048),
    (6528, 32768, 5, 128, 623, 128),
    (6784, 40960, 6, 256, 436, 128),
    (6912, 49152, 7, 768, 337, 256),
    (8192, 8192, 1, 0, 1561, 8192),
    (9472, 57344, 6, 512, 1428, 256),
    (9728, 49152, 5, 512, 364, 512),
    (10240, 40960, 4, 0, 499, 2048),
    (10880, 32768, 3, 128, 624, 128),
    (12288, 24576, 2, 0, 1145, 4096),
    (13568, 40960, 3, 256, 999, 256),
    (14336, 57344, 4, 0, 535, 2048),
    (16384, 16384, 1, 0, 1249, 8192),
    (18432, 73728, 4, 0, 1111, 2048),
    (19072, 57344, 3, 128, 357, 128),
    (20480, 40960, 2, 0, 687, 4096),
    (21760, 65536, 3, 256, 625, 256),
    (24576, 24576, 1, 0, 1145, 8192),
    (27264, 81920, 3, 128, 1000, 128),
    (28672, 57344, 2, 0, 491, 4096),
    (32768, 32768, 1, 0, 1250, 8192),
];

#[test]
fn classes_are_gos() {
    let mut prev = 0;
    for (i, &(size, span, objects, tail, waste, align)) in GO.iter().enumerate() {
        let class = i + 1;
        let got = usize::from(CLASS_TO_SIZE[class]);
        assert_eq!(got, size, "size of class {class}");
        assert_eq!(usize::from(CLASS_TO_NPAGES[class]) * PAGE_SIZE, span, "span of class {class}");
        assert_eq!(objects_per_span(class), objects, "objects of class {class}");
        assert_eq!(span - objects * got, tail, "tail waste of class {class}");
        let max_waste = ((got - prev - 1) * objects + tail) as f64 / span as f64;
        assert_eq!((max_waste * 10_000.0).round() as usize, waste, "max waste of class {class}");
        assert_eq!(1 << got.trailing_zeros().min(PAGE_SHIFT), align, "alignment of class {class}");
        prev = got;
    }
}

#[test]
fn every_size_gets_the_smallest_class_that_holds_it() {
    for size in 0..=MAX_SMALL_SIZE {
        let class = class_of(size, 1);
        assert!(usize::from(CLASS_TO_SIZE[class]) >= size, "{size}");
        assert!(class == 1 || usize::from(CLASS_TO_SIZE[class - 1]) < size, "{size}");
    }
    assert_eq!(class_of(MAX_SMALL_SIZE + 1, 1), 0);
    assert_eq!(class_of(isize::MAX as usize, 1), 0);
}

#[test]
fn every_alignment_is_honoured_by_the_class() {
    for shift in 0..=PAGE_SHIFT {
        let align = 1 << shift;
        for size in 0..=MAX_SMALL_SIZE {
            let class = class_of(size, align);
            let got = usize::from(CLASS_TO_SIZE[class]);
            assert!(
                class != 0 && got >= size && got % align == 0,
                "{size} aligned to {align}: class {class}"
            );
        }
    }
    assert_eq!(class_of(8, PAGE_SIZE * 2), 0);
    assert_eq!(class_of(MAX_SMALL_SIZE + 1, 16), 0);
    assert_eq!(class_of(isize::MAX as usize - 15, 16), 0);
}

#[test]
fn magic_divides_every_offset() {
    for class in 1..NUM_SIZE_CLASSES {
        let size = usize::from(CLASS_TO_SIZE[class]);
        for offset in 0..usize::from(CLASS_TO_NPAGES[class]) * PAGE_SIZE {
            let quotient = (offset as u64 * u64::from(CLASS_TO_DIVMAGIC[class])) >> 32;
            assert_eq!(quotient as usize, offset / size, "{offset} / {size}");
        }
    }
}

/// `docs/size-classes.md` is made of the table. `GZERO_WRITE_DOCS=1 cargo test -p runtime` writes it.
#[test]
fn the_page_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/size-classes.md");
    let mut text = std::string::String::from(
        "\
# Size classes

An object of up to 32 KiB gets a slot of the smallest class that holds it; a span of the class is cut into such slots. The classes are Go's, computed at compile
time by Go's rule (`runtime/src/heap/size_class.rs`). *Worst waste* is of a span full of the smallest objects of its class, which are 1 B larger than the class
below. A slot is aligned to the highest power of two that divides its size, 8 KiB at most.

| class | slot, B | span, B | slots | left at the end, B | worst waste | alignment, B |
|--:|--:|--:|--:|--:|--:|--:|
",
    );
    for (i, (size, span, objects, tail, waste, align)) in GO.iter().enumerate() {
        let (class, waste) = (i + 1, *waste as f64 / 100.0);
        text +=
            &std::format!("| {class} | {size} | {span} | {objects} | {tail} | {waste:.2} % | {align} |\n");
    }
    if std::env::var_os("GZERO_WRITE_DOCS").is_some() {
        std::fs::write(path, &text).expect("docs/ is there");
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(there == text, "docs/size-classes.md is old: GZERO_WRITE_DOCS=1 cargo test -p runtime");
}
