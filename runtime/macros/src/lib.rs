//! The attributes `#[program]` and `#[kernel_test]`.
