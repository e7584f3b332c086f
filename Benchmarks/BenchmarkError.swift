import Platform

/// A measurement that could not be taken.
struct BenchmarkError: DroverError {
  let message: String
  let kind: FailureKind

  init(_ message: String, kind: FailureKind = .failed) {
    self.message = message
    self.kind = kind
  }
}
