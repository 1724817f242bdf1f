//! A gRPC channel over many replicas.
