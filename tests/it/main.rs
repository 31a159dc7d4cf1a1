//! One binary for all integration tests.

mod table_reading;
