"""What this project does on a GPU, in one command: `python -m benchmarks.gpu`. docs/gpu.md tells how to read it."""
