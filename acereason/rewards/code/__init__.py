"""Judge responses to code problems: formats of tests, programs, runs in the sandbox, outputs."""
