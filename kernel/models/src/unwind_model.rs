//! `slot.rs`: whoever finds a row in a slot of the unwinder's table finds all of it, whoever else writes.

use loom::sync::Arc;
use loom::sync::atomic::{self, AtomicU64, AtomicUsize};
use loom::thread::spawn;

#[path = "../../src/unwind/slot.rs"]
mod slot;

use slot::{Found, Slot};

/// Two return addresses and their rows.
const ROWS: [(usize, [u64; 3]); 2] = [(10, [1, 2, 3]), (20, [4, 5, 6])];

fn free() -> Arc<Slot> {
    Arc::new(Slot { pc: AtomicUsize::new(0), row: std::array::from_fn(|_| AtomicU64::new(0)) })
}

/// Looks for a row, and says whether it was there.
fn look(slot: &Slot, (pc, row): (usize, [u64; 3])) -> bool {
    match slot.look(pc) {
        Found::Row(found) => {
            assert_eq!(found, row, "half a row");
            true
        }
        Found::Free | Found::Other => false,
    }
}

/// One core writes a row while another looks for it. Finds a row that is published before it is there.
#[test]
fn a_row_is_whole() {
    loom::model(|| {
        let slot = free();
        let writer = spawn({
            let slot = slot.clone();
            move || assert!(slot.insert(ROWS[0].0, ROWS[0].1))
        });
        look(&slot, ROWS[0]);
        writer.join().unwrap();
        assert!(look(&slot, ROWS[0]));
    });
}

/// Two cores write different rows to one slot while a third looks for one of them. Finds a slot that both get, or that changes.
#[test]
fn a_slot_is_written_once() {
    loom::model(|| {
        let slot = free();
        let writers = ROWS.map(|(pc, row)| {
            let slot = slot.clone();
            spawn(move || slot.insert(pc, row))
        });
        look(&slot, ROWS[1]);
        let wrote = writers.map(|writer| writer.join().unwrap());
        assert!(wrote[0] != wrote[1], "both wrote, or neither");
        assert_eq!(ROWS.map(|row| look(&slot, row)), wrote);
    });
}
