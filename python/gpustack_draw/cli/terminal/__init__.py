"""Pictures in terminals."""
