"""Array operations that compute with numpy or write the nodes of an ONNX graph."""
