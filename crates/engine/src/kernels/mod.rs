//! The kernels: the only arithmetic in the engine, and the only module in which `unsafe` is allowed.
//!
//! | kernel | forward | backward |
//! |---|---|---|
//! | linear | [`matmul::matmul_nt`] | [`matmul::matmul_nn`], [`matmul::matmul_tn`] |
//! | RMSNorm | [`norm::rms_norm`] | [`norm::rms_norm_backward`] |
//! | rotary positions | [`rope::to_heads`] | [`rope::to_rows`] |
//! | attention | [`attention::attention`] | [`attention::attention_backward`] |
//! | SwiGLU | [`swiglu::swiglu`] | [`swiglu::swiglu_backward`] |
//! | AdamW | [`adamw::adamw`] | – |
#![allow(unsafe_code)]

pub mod adamw;
pub mod attention;
pub(crate) mod decode;
mod few_rows;
mod gemm;
pub mod matmul;
pub mod norm;
pub mod rope;
mod simd;
pub mod swiglu;
#[cfg(test)]
pub(crate) mod testing;
pub mod vector;
