"""The company lives: calls come in, jobs are booked, worked and paid, records are looked after.

``life`` moves the clock from one thing to the next, ``agenda`` holds what is coming, ``arrivals`` what comes
by chance and by routine. The others are what happens, by area, made of the vendor's own writes.
"""
