"""Weight quantization: one canonical quantizer, its packed layout and the methods on it."""
