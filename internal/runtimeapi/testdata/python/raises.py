raise RuntimeError("in init")
