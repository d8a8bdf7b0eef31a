"""What both steps do alike."""

TEMPERATURE = 2.0
WEIGHTS = {"ce": 5.0, "mlm": 2.0, "cos": 1.0}
ADAMW = {"learning_rate": 5e-4, "betas": (0.9, 0.98), "epsilon": 1e-6}  # decays linearly to 0
CLIP = 5.0
