"""How a network runs: packed and quantised networks for the CPU, OpenVINO, transformers; weights and adapters."""
