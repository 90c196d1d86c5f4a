//! Init tasks run before `main`, each after those that it names, whatever the order in the file.

use runtime::{init, println, program};

mod config {
    #[super::init]
    pub fn load() {
        super::println!("config: loaded");
    }
}

mod log {
    #[super::init(after = [super::config::load])]
    pub fn open() {
        super::println!("log: opened");
    }
}

#[init(after = [cache, log::open])]
fn server() {
    println!("server: listening");
}

#[init(after = [config::load])]
fn cache() {
    println!("cache: warm");
}

#[program]
fn main() {
    println!("main");
}
