//! Journeys through a real hub.
