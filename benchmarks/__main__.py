"""``make bench``: every benchmark, one after the other."""

from benchmarks import gateway, sync

if __name__ == "__main__":
    sync.main()
    gateway.main()
