//! A pinned version never changes: before the first change of its rows or names it is copied, and the copy is what changes. Who pins pays nothing.

mod store;
