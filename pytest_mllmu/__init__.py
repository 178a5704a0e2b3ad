"""Has this multimodal model really forgotten these people, and at what cost? MLLMU-Bench as a pytest plugin."""

__version__ = "0.1.0"
