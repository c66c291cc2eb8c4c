//! Journeys live in `journeys/`; the rules of the house in `tidy/`.
