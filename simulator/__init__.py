"""Machines with physics and states that sign, keep and publish until a receipt frees them."""
