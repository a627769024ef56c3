//! The annotation service: tasks for people, and what they say, stored so that nothing acknowledged is lost.

pub mod markdown;
pub mod messages;
pub mod pages;
