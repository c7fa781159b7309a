"""Judge math answers: each is extracted, spelled in one way, taken apart and compared."""
