"""What bench/on_a_gpu.sh runs: checks and measurements on a CUDA device."""
