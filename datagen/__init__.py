"""Recipe in, dataset out: the sharding plan, the Ray service and the commands around a dataset."""
