"""Several stores that want to create the same keys at the same moment."""

import threading


def race_to_create(stores, keys):
    """Let every store create every key with content of its own; of each key one store must win, with its content."""
    won, barrier = [], threading.Barrier(len(stores))

    def work(index):
        for key in range(keys):
            barrier.wait()
            if stores[index].put_new(f"folder/{key}", bytes([index]) * 1000):
                won.append((key, index))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key for key, _ in won) == list(range(keys))
    for key, index in won:
        assert stores[0].get(f"folder/{key}") == bytes([index]) * 1000
