"""Pictures and the parameters stored in their files."""
