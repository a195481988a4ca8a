//! The driver against canned answers over real HTTP.
