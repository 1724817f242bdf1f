//! The channel over real sockets.
