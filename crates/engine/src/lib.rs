//! Decoder-only transformers with an explicit forward and backward pass, in the manner of llm.c.
//!
//! There is no autograd. Every objective in trimtab is a function of a few readouts (log-probabilities and entropies of
//! given tokens, a head's outputs, hidden states, input embeddings), so the engine computes readouts and turns gradients
//! with respect to readouts into gradients of parameters:
//!
//! 1. pack sequences into a [`batch::PackedBatch`];
//! 2. [`model::Model::forward`] runs them and keeps what the way back needs in a [`forward::Trace`];
//! 3. read out ([`readout`]), compute a loss and its gradient with respect to what was read: a pure function on slices;
//! 4. the readout's backward gives the gradient of the hidden states, [`model::Model::backward`] those of the parameters;
//! 5. [`optim::AdamW`] or [`muon::Muon`] makes a step.
//!
//! The same weights and kernels sample ([`generate`]) and train.

pub mod backward;
pub mod batch;
pub mod checkpoint;
pub mod config;
pub mod forward;
pub mod generate;
pub mod hooks;
pub mod kernels;
mod linear;
pub mod lora;
pub mod model;
pub mod muon;
pub mod one_hot;
pub mod optim;
pub mod params;
pub mod readout;
mod rows;

pub use linear::DropoutSeed;
