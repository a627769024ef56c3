//! The pages of the service: data in, HTML out.

pub mod view;
