//! What the integration tests share: the generator of cases, answers to judge, masks, and wrong forms.
#![allow(dead_code, unreachable_pub)] // each test file uses a part of it

pub mod cases;
pub mod handed;
pub mod mask;
pub mod wrong;
