//! What the integration tests share: the generator of cases, and wrong forms.
#![allow(dead_code, unreachable_pub)] // each test file uses a part of it

pub mod cases;
pub mod wrong;
