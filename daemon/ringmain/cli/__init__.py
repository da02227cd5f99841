"""argv becomes one command and one exit code."""
