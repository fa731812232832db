//! Real processes under every kind of harm, and whether their clients can tell.
//!
//! - [`processes`]: nodes of the key-value store as processes of this machine;
//! - [`history`], [`load`]: what clients saw, and clients;
//! - [`watch`]: who leads;
//! - [`proxy`], [`harm`]: what is done to nodes, and to what they send;
//! - [`trial`]: all of it together;
//! - [`failover`]: how long it takes until somebody else leads;
//! - [`garbage`]: what means nothing, at full speed;
//! - [`options`]: what can be chosen.

#![forbid(unsafe_code)]

pub mod failover;
pub mod garbage;
pub mod harm;
pub mod history;
pub mod load;
pub mod options;
pub mod processes;
pub mod proxy;
pub mod trial;
pub mod watch;
