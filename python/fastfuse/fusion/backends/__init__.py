"""Where a fusion is computed: this machine's processors, or a CUDA device."""
