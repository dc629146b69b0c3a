"""Scheduling: who is free when, and which visit could be offered, with the reasons."""
