"""The words of the product: frozen, without input or output."""
