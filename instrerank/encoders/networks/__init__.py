"""Networks: packed and quantised ones for the CPU, OpenVINO, transformers; weights and adapters."""
