"""What a machine can do, and whether it does it right: behind `python -m tfdistill.doctor`."""
