"""The price book: a tree of categories, and what is found in it by codes and words."""
