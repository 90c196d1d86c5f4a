//! The lock that channels and semaphores see: loom's.

use loom::sync::{Condvar, Mutex};

pub enum Rank {
    Hchan,
    Sema,
}

pub struct Lock {
    held: Mutex<bool>,
    free: Condvar,
}

impl Lock {
    pub fn new(_: Rank) -> Lock {
        Lock { held: Mutex::new(false), free: Condvar::new() }
    }

    pub fn lock(&self) {
        self.lock_slow();
    }

    pub fn unlock(&self) {
        let mut held = self.held.lock().unwrap();
        assert!(*held, "unlock of a free lock");
        *held = false;
        self.free.notify_one();
    }

    pub fn lock_another(&self) {
        self.lock_slow();
    }

    pub fn forget(&self) {}

    pub fn release(&self) {
        self.unlock();
    }

    pub fn lock_pinned(&self) {
        self.lock_slow();
    }

    pub fn unlock_pinned(&self) {
        self.unlock();
    }

    pub fn lock_fast(&self) -> bool {
        let mut held = self.held.lock().unwrap();
        !core::mem::replace(&mut *held, true)
    }

    pub fn lock_slow(&self) {
        let mut held = self.held.lock().unwrap();
        while *held {
            held = self.free.wait(held).unwrap();
        }
        *held = true;
    }

    pub fn unlock_fast(&self) -> bool {
        self.unlock();
        true
    }

    pub fn unlock_slow(&self) {
        unreachable!("unlock_fast does not fail");
    }
}
