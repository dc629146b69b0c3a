"""The studio: tables and views in a browser, read only, for the person at this machine."""
