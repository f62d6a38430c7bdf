"""The incremental core: the Store, its Snapshots, and the Engine that reuses what a change did not touch."""
