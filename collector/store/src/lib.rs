//! Keep and find: the write-ahead log and the bounded head.
