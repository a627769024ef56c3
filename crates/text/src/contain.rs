//! Containing the panics of libraries that read hostile files: they become errors, and nobody sees them.
//!
//! 1. Only calls into such a library are contained; a panic of our own code stays a bug that is reported.
//! 2. A panic hook runs before a panic is caught, and belongs to the program: the binary and the fuzz targets put
//!    [`keep_hook_silent`] before theirs, which print or abort.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Keeps the panic hook that is installed now from running for contained panics.
pub fn keep_hook_silent() {
    let hook = take_hook();
    set_hook(Box::new(move |info| {
        if !is_contained() {
            hook(info);
        }
    }));
}

fn is_contained() -> bool {
    DEPTH.get() > 0
}

/// What `work` returns, or `None` if it panicked. Whatever `work` could have left half-changed must be dropped with it.
///
/// ```
/// use trimtab_text::contain::contained;
/// assert_eq!(contained(|| 1 + 1), Some(2));
/// ```
pub fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    DEPTH.set(DEPTH.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_contained_and_the_state_is_as_before() {
        let seen = contained(|| {
            assert!(is_contained());
            contained(|| panic!("inner"));
            assert!(is_contained(), "an inner panic must not end the outer containment");
            panic!("outer");
        });
        assert_eq!(seen, None::<()>);
        assert!(!is_contained());
    }
}
