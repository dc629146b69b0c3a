"""The sync: reads a vendor's feeds into the mirror, resumes where it stood, finds what was deleted."""
