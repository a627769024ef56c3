//! Hooks on the residual stream: read it, add to it, or project a direction out of it.
//!
//! A hook at layer `l` acts on the input of block `l`; `l = num_hidden_layers` is the input of the final norm. Probes read
//! with them, steering adds with them, and directional ablation (Arditi et al. 2024, arXiv:2406.11717, eq. 4) projects.
//! [`Action::Ablate`] acts a second time between a block's attention and its MLP, so that on every layer nothing that is
//! written along its direction is ever read: what orthogonalised weights do.

use crate::batch::InputError;
use crate::config::ModelConfig;

/// Which tokens a hook touches, by position in their own sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// Every token.
    All,
    /// Tokens at these positions.
    Positions(Vec<u32>),
    /// Tokens from this position on.
    From(u32),
}

impl At {
    /// Whether a token at `position` is touched.
    pub fn touches(&self, position: u32) -> bool {
        match self {
            Self::All => true,
            Self::Positions(list) => list.contains(&position),
            Self::From(first) => position >= *first,
        }
    }
}

/// What a hook does to the residual stream `x` of a touched token.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Keep a copy.
    Read,
    /// x + v.
    Add(Vec<f32>),
    /// x − (x·u)·u, for a unit vector u.
    ProjectOut(Vec<f32>),
    /// The same at the block's input and again after its attention; at the final norm's input once.
    Ablate(Vec<f32>),
}

/// An action at a layer and at positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// The block whose input is touched, or the number of blocks for the final norm's input.
    pub layer: usize,
    /// Which tokens.
    pub at: At,
    /// What is done.
    pub action: Action,
}

/// Checks that hooks fit a model: a layer that it has, vectors as wide as its residual stream.
pub(crate) fn check_hooks(hooks: &[Hook], config: &ModelConfig) -> Result<(), InputError> {
    for (index, hook) in hooks.iter().enumerate() {
        let layers = config.num_hidden_layers;
        if hook.layer > layers {
            return Err(InputError::HookLayer { index, layer: hook.layer, layers });
        }
        if let Action::Add(v) | Action::ProjectOut(v) | Action::Ablate(v) = &hook.action
            && v.len() != config.hidden_size
        {
            return Err(InputError::HookWidth { index, width: v.len(), hidden: config.hidden_size });
        }
    }
    Ok(())
}

impl Hook {
    /// Whether it also acts in the middle of this block, between attention and MLP.
    pub(crate) fn acts_within(&self, layer: usize) -> bool {
        self.layer == layer && matches!(self.action, Action::Ablate(_))
    }

    /// Applies the hook to rows `x [tokens, width]`; what it reads is appended to `read`, in order of tokens.
    pub(crate) fn apply(&self, x: &mut [f32], positions: &[u32], read: &mut Vec<f32>) {
        let width = x.len() / positions.len().max(1);
        for (row, &position) in x.chunks_exact_mut(width).zip(positions) {
            if self.at.touches(position) {
                match &self.action {
                    Action::Read => read.extend_from_slice(row),
                    Action::Add(v) => row.iter_mut().zip(v).for_each(|(x, v)| *x += v),
                    Action::ProjectOut(u) | Action::Ablate(u) => project_out(row, u),
                }
            }
        }
    }

    /// The transpose of [`Self::apply`], on gradients: adding changes nothing, projecting is its own transpose.
    pub(crate) fn backward(&self, dx: &mut [f32], positions: &[u32]) {
        if let Action::ProjectOut(u) | Action::Ablate(u) = &self.action {
            let width = dx.len() / positions.len().max(1);
            for (row, &position) in dx.chunks_exact_mut(width).zip(positions) {
                if self.at.touches(position) {
                    project_out(row, u);
                }
            }
        }
    }
}

fn project_out(row: &mut [f32], u: &[f32]) {
    let along = crate::kernels::vector::dot(row, u);
    crate::kernels::vector::axpy(row, -along, u);
}
