"""A simulated ServiceTitan: a made-up company behind the vendor's API, as its documents describe it.

``server`` is the process, ``service`` the vendor without a socket, ``tenant`` the account with its records,
``control`` what tests and demonstrations may do to it.
"""
